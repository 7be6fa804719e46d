// The `engine` program: reads the command line, runs one verb, turns errors into exit codes.

#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "apps/command_line.h"
#include "apps/console.h"
#include "engine/core/error.h"

namespace {

int report(engine::ExitCode code, std::string_view message) {
  engine::print_error(message);
  return static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
  using engine::ExitCode;
  try {
    const int code = engine::run_command_line(argc, argv);
    // A full disk behind a redirected standard output shows only here.
    if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
      return report(ExitCode::storage, "engine: could not write to standard output");
    }
    return code;
  } catch (const engine::Error& error) {
    return report(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return report(ExitCode::out_of_memory,
                  "engine: out of memory; a smaller train.batch_size or data.limit needs less");
  } catch (const std::exception& error) {
    return report(ExitCode::internal,
                  std::string("engine: internal error, please report it: ") + error.what());
  } catch (...) {
    return report(ExitCode::internal, "engine: internal error, please report it");
  }
}
