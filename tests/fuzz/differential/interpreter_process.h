// The other side of interpreter.cpp: starts the program, and again when it has died.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "tests/fuzz/differential/exchange.h"

namespace shunt::fuzz {

class InterpreterProcess {
 public:
  explicit InterpreterProcess(std::string program) : program_(std::move(program)) {}
  ~InterpreterProcess() { stop(); }
  InterpreterProcess(const InterpreterProcess&) = delete;
  InterpreterProcess& operator=(const InterpreterProcess&) = delete;

  // Nothing: it died of this request, or took longer than ten seconds. Ends the target if it dies of several requests
  // running.
  std::optional<Words> ask(const Request& request);

 private:
  void start();
  void stop();

  std::string program_;
  pid_t process_ = 0;  // 0: none
  int socket_ = -1;
  unsigned deaths_ = 0;  // running
};

}  // namespace shunt::fuzz
