// The passes over neurons whose activations are float32.
#include "rates.h"

namespace spikedistill {

template void fused_forward<float>(const Currents<float>&, float*);
template void Backward<float>::run();
template void RateForward<float>::run();

}  // namespace spikedistill
