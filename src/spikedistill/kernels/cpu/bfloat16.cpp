// The passes over neurons whose activations are bfloat16.
#include "rates.h"

namespace spikedistill {

template void fused_forward<uint16_t>(const Currents<uint16_t>&, uint16_t*);
template void Backward<uint16_t>::run();
template void RateForward<uint16_t>::run();

}  // namespace spikedistill
