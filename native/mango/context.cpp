// SPDX-License-Identifier: Apache-2.0
#include "mango/context.h"

#include "libmango.h"

namespace mango::kernel {

HandleTable<Context, HandleType::kContext>& contexts() noexcept {
  static auto* table =
      new HandleTable<Context, HandleType::kContext>;  // never destroyed: threads may outlive main
  return *table;
}

}  // namespace mango::kernel

using namespace mango::kernel;

extern "C" {

mango_status_e mango_context_create(mango_context_h* context) {
  if (!context) return MANGO_STATUS_INVALID_ARGUMENT;
  Context* made = contexts().allocate();
  if (!made) return MANGO_STATUS_NO_MEMORY;
  made->users.store(0, std::memory_order_relaxed);
  *context = to_api(contexts().publish(made));
  return MANGO_STATUS_OK;
}

mango_status_e mango_context_destroy(mango_context_h context) {
  Context* found = contexts().find(from_api(context));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (found->users.load(std::memory_order_acquire) != 0) return MANGO_STATUS_BUSY;
  found = contexts().claim(from_api(context));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  contexts().recycle(found);
  return MANGO_STATUS_OK;
}

mango_status_e mango_context_set_hw_accel(mango_context_h context, mango_hw_accel_e accel, int idx) {
  Context* found = contexts().find(from_api(context));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (accel == MANGO_HW_ACCEL_DPU) return MANGO_STATUS_NOT_SUPPORTED;
  if (accel != MANGO_HW_ACCEL_NONE || idx != 0) return MANGO_STATUS_INVALID_ARGUMENT;
  return found->users.load(std::memory_order_acquire) ? MANGO_STATUS_BUSY : MANGO_STATUS_OK;
}

mango_status_e mango_context_check_feature(mango_context_h context, mango_hw_feature_e feature,
                                           bool* enabled) {
  if (!contexts().find(from_api(context))) return MANGO_STATUS_INVALID_HANDLE;
  if (!enabled || (feature != MANGO_HW_FEATURE_TOE && feature != MANGO_HW_FEATURE_RDMA)) {
    return MANGO_STATUS_INVALID_ARGUMENT;
  }
  *enabled = feature == MANGO_HW_FEATURE_TOE;
  return MANGO_STATUS_OK;
}

const char* mango_get_version(void) {
  return "0.1.0";
}

}  // extern "C"
