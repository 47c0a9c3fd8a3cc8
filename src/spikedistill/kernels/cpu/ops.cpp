// The operators' schemas; fakes and autograd are registered in ops.py.
#include <torch/library.h>

#include "conv.h"
#include "norm_act.h"
#include "pool.h"
#include "rates.h"
#include "spikes.h"

TORCH_LIBRARY(spikedistill, library) {
  library.def(
      "norm_act(Tensor x, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, Tensor? residual, "
      "Tensor? w, SymInt steps, bool training, float eps, int[] codes, float[] constants, bool residual_is_spikes) "
      "-> (Tensor, Tensor)");
  library.def(
      "norm_act_backward(Tensor grad, Tensor x, Tensor? weight, Tensor? bias, Tensor statistics, Tensor? residual, "
      "Tensor? w, SymInt residual_steps, bool residual_grad, bool training, int[] codes, float[] constants) "
      "-> (Tensor, Tensor, Tensor, Tensor, Tensor)");
  library.def(
      "norm_act_rate(Tensor x, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, "
      "Tensor? residual, SymInt steps, bool training, float eps, int[] codes, float[] constants) "
      "-> (Tensor, Tensor, Tensor, Tensor)");
  library.def(
      "norm_act_rate_backward(Tensor grad, Tensor slope, Tensor x_mean, Tensor? weight, Tensor statistics, "
      "SymInt steps, bool training) -> (Tensor, Tensor, Tensor, Tensor)");
  library.def("mean_over_time(Tensor x) -> Tensor");
  library.def("pack_spikes(Tensor x) -> Tensor");
  library.def("unpack_spikes(Tensor bits, SymInt[] shape, ScalarType dtype) -> Tensor");
  library.def(
      "spiking_conv2d(Tensor x, Tensor weight, Tensor? bias, int[2] stride, int[2] padding, int[2] dilation, "
      "int groups) -> Tensor");
  library.def(
      "conv2d(Tensor x, Tensor weight, Tensor? bias, int[2] stride, int[2] padding, int[2] dilation, int groups) "
      "-> Tensor");
  library.def(
      "conv2d_backward(Tensor grad, Tensor x, Tensor weight, int[2] stride, int[2] padding, int[2] dilation, "
      "int groups, bool[3] wanted) -> (Tensor, Tensor, Tensor)");
  library.def("spiking_linear(Tensor x, Tensor weight, Tensor? bias) -> Tensor");
  library.def("max_pool2d(Tensor x, int size) -> (Tensor, Tensor)");
  library.def("max_pool2d_backward(Tensor grad, Tensor places, SymInt[] shape, int size) -> Tensor");
}

TORCH_LIBRARY_IMPL(spikedistill, CPU, library) {
  using namespace spikedistill;
  library.impl("norm_act", TORCH_FN(spikedistill::norm_act));
  library.impl("norm_act_backward", TORCH_FN(norm_act_backward));
  library.impl("norm_act_rate", TORCH_FN(spikedistill::norm_act_rate));
  library.impl("norm_act_rate_backward", TORCH_FN(norm_act_rate_backward));
  library.impl("mean_over_time", TORCH_FN(mean_over_time));
  library.impl("pack_spikes", TORCH_FN(pack_spikes));
  library.impl("unpack_spikes", TORCH_FN(unpack_spikes));
  library.impl("spiking_conv2d", TORCH_FN(spikedistill::conv2d));
  library.impl("conv2d", TORCH_FN(spikedistill::conv2d));
  library.impl("conv2d_backward", TORCH_FN(conv2d_backward));
  library.impl("spiking_linear", TORCH_FN(spiking_linear));
  library.impl("max_pool2d", TORCH_FN(spikedistill::max_pool2d));
  library.impl("max_pool2d_backward", TORCH_FN(max_pool2d_backward));
}
