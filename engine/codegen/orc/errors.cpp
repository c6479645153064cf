#include <string>

#include "shunt/codegen/orc.h"

namespace shunt::orc {

char EngineError::ID = 0;

void EngineError::log(llvm::raw_ostream& out) const {
  out << error.message();
}

std::error_code EngineError::convertToErrorCode() const {
  return llvm::inconvertibleErrorCode();
}

llvm::Error to_llvm(Error error) {
  return llvm::make_error<EngineError>(std::move(error));
}

Error from_llvm(llvm::Error error, ErrorCode otherwise) {
  std::optional<Error> ours;
  std::string messages;
  llvm::handleAllErrors(
      std::move(error), [&](const EngineError& one) { ours = one.error; },
      [&](const llvm::ErrorInfoBase& other) { messages += (messages.empty() ? "" : "; ") + other.message(); });
  if (ours) return *ours;
  return make_error(otherwise, messages);
}

}  // namespace shunt::orc
