// SPDX-License-Identifier: Apache-2.0
// mango-run: runs a program on the offload engine, unmodified. It puts libmango-preload.so and its settings
// into the environment, makes sure that the device answers, and becomes the program.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "shim/run_device.h"
#include "shim/run_library.h"
#include "shim/run_options.h"
#include "shim/run_program.h"
#include "shim/settings.h"

using namespace mango::shim;

namespace {

// As env(1) has them.
constexpr int kOwnFailure = 125;
constexpr int kCannotRun = 126;
constexpr int kNotFound = 127;

int fail(const std::string& sentence) {
  fprintf(stderr, "mango-run: %s\n", sentence.c_str());
  return kOwnFailure;
}

void set(const char* name, const std::string& value) {
  if (!value.empty()) setenv(name, value.c_str(), 1);
}

// Before what is preloaded already, which then finds its real functions behind ours.
void preload(const std::string& library) {
  const char* others = getenv(kPreloadVariable);
  set(kPreloadVariable, others && *others ? library + ":" + others : library);
}

void set_variables(const RunOptions& options, const std::string& library) {
  preload(library);
  set(kEngineVariable, options.engine);
  set(kIpcVariable, options.ipc);
  set(kDeviceVariable, options.device);
  set(kLogVariable, options.log);
}

void warn(const char* program) {
  const std::string path = find_program(program);
  const std::string why = passes_engine_by(path);
  if (!why.empty())
    fprintf(stderr, "mango-run: warning: %s %s: its TCP stays the system's\n", path.c_str(), why.c_str());
}

int become(char* const program[]) {
  execvp(program[0], program);
  const int error = errno;
  fprintf(stderr, "mango-run: %s: %s\n", program[0], strerror(error));
  return error == ENOENT ? kNotFound : kCannotRun;
}

}  // namespace

int main(int argc, char* argv[]) {
  RunOptions options;
  std::string sentence;
  if (!read_options(argc, argv, options, sentence)) return fail(sentence);
  if (options.help) return fputs(kRunHelp, stdout) < 0 ? kOwnFailure : 0;
  const std::string library = find_library();
  if (library.empty())
    return fail(std::string(kLibraryName) + " is neither beside this program nor in ../lib");
  if (options.engine == kDeviceEngine && !device_answers(options.ipc, options.device, sentence))
    return fail(sentence);
  warn(options.program[0]);
  set_variables(options, library);
  return become(options.program);
}
