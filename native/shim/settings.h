// SPDX-License-Identifier: Apache-2.0
// What mango-run tells the library, in the environment, so that it reaches grandchildren too.
#pragma once

namespace mango::shim {

constexpr char kEngineVariable[] = "MANGO_ENGINE";  // kernel (default) or device
constexpr char kIpcVariable[] = "MANGO_IPC";        // the device's channel: host:port or iceoryx:NAME
constexpr char kDeviceVariable[] = "MANGO_DEVICE";  // the device's number
constexpr char kLogVariable[] = "MANGO_LOG";        // a file; "-": standard error; unset: silent
constexpr char kPreloadVariable[] = "LD_PRELOAD";
constexpr const char* kVariables[] = {kEngineVariable, kIpcVariable, kDeviceVariable, kLogVariable};

constexpr char kDefaultIpc[] = "127.0.0.1:32847";
constexpr char kKernelEngine[] = "kernel";
constexpr char kDeviceEngine[] = "device";
constexpr char kLogToStderr[] = "-";
constexpr char kLibraryName[] = "libmango-preload.so";

}  // namespace mango::shim
