// SPDX-License-Identifier: Apache-2.0
#include "ipc/transport.h"

#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "ipc/grpc_client.h"

namespace mango::ipc {

namespace {

constexpr char kGrpcPlugin[] = "libmango-ipc-grpc.so";
constexpr char kIceoryxPlugin[] = "libmango-ipc-iceoryx.so";
constexpr char kFolderVariable[] = "MANGO_IPC_PLUGIN_DIR";

// The folder of the library or program this code is part of. The loader has no name for a program.
std::string own_folder() {
  Dl_info info{};
  link_map* map = nullptr;
  const bool found = dladdr1(reinterpret_cast<const void*>(&own_folder), &info,
                             reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) != 0;
  const bool is_library = found && map && map->l_name[0] != '\0';
  char resolved[PATH_MAX];
  if (!realpath(is_library ? map->l_name : "/proc/self/exe", resolved)) return ".";
  const std::string path = resolved;
  return path.substr(0, path.rfind('/'));
}

std::string plugin_folder() {
  const char* chosen = secure_getenv(kFolderVariable);
  return chosen && *chosen ? chosen : own_folder();
}

std::string loader_message() {
  const char* message = dlerror();
  return message ? message : "unknown error of the dynamic loader";
}

void* find_symbol(const char* plugin, const char* symbol, Failure& failure) {
  const std::string file = plugin_folder() + '/' + plugin;
  if (access(file.c_str(), R_OK) != 0) {
    failure = {MANGO_STATUS_NOT_SUPPORTED, "this channel needs the plug-in " + file +
                                               ", which is not there: install it, or name its folder in " +
                                               kFolderVariable};
    return nullptr;
  }
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* found = library ? dlsym(library, symbol) : nullptr;
  if (!found) failure = {MANGO_STATUS_NOT_SUPPORTED, "cannot load the plug-in: " + loader_message()};
  return found;
}

bool parse(const std::string& path, Endpoint& endpoint, Failure& failure) {
  if (parse_path(path, endpoint)) return true;
  failure = {MANGO_STATUS_INVALID_ARGUMENT,
             "\"" + path + "\" names no channel: host:port, [v6 address]:port or iceoryx:NAME does"};
  return false;
}

const char* plugin_of(const Endpoint& endpoint) noexcept {
  return endpoint.protocol == MANGO_IPC_PROT_ICEORYX ? kIceoryxPlugin : kGrpcPlugin;
}

}  // namespace

std::unique_ptr<ControlClient> open_client(const std::string& path, Failure& failure) {
  Endpoint endpoint;
  if (!parse(path, endpoint, failure)) return nullptr;
  if (endpoint.protocol == MANGO_IPC_PROT_GRPC) return make_grpc_client(endpoint, failure);
  void* make = find_symbol(plugin_of(endpoint), kMakeClientSymbol, failure);
  if (!make) return nullptr;
  return std::unique_ptr<ControlClient>(reinterpret_cast<MakeClient*>(make)(path, failure));
}

std::unique_ptr<ControlServer> open_server(const std::string& path, Serve serve, Failure& failure) {
  Endpoint endpoint;
  if (!parse(path, endpoint, failure)) return nullptr;
  void* make = find_symbol(plugin_of(endpoint), kMakeServerSymbol, failure);
  if (!make) return nullptr;
  return std::unique_ptr<ControlServer>(reinterpret_cast<MakeServer*>(make)(path, std::move(serve), failure));
}

}  // namespace mango::ipc
