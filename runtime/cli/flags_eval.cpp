#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "runtime/cli/commands.h"
#include "runtime/cli/exit_status.h"
#include "runtime/cli/flags_command.h"
#include "runtime/flags/context.h"
#include "runtime/flags/definition.h"
#include "runtime/flags/evaluation.h"
#include "runtime/flags/evaluation_json.h"

namespace shunt::cli {
namespace {

using flags::Evaluation;
using flags::EvaluationError;

Evaluation failed(EvaluationError error, std::string message) {
  Evaluation out;
  out.error = error;
  out.message = std::move(message);
  return out;
}

struct Outcome {
  Evaluation evaluation;
  std::string set_metadata, flag_metadata;
};

bool is_of_type(const Evaluation& evaluation, const std::string& type) {
  if (evaluation.is_object) return type == "object";
  if (std::holds_alternative<bool>(*evaluation.value)) return type == "boolean";
  if (std::holds_alternative<std::string>(*evaluation.value)) return type == "string";
  return type == "number" || (type == "integer" && std::holds_alternative<std::int64_t>(*evaluation.value));
}

Result<flags::Document> read_document(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return make_error(ErrorCode::InvalidArgument,
                      fmt::format("{}: cannot open the flag file: name one that exists", path));
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return flags::parse_flagd(text, path);
}

Outcome evaluate(const FlagsOptions& options) {
  const Result<flags::Context> context = flags::Context::parse(options.context);
  if (!context) return {failed(EvaluationError::InvalidContext, context.error().message()), {}, {}};
  const Result<flags::Document> document = read_document(options.flags);
  if (!document) return {failed(EvaluationError::ParseError, document.error().message()), {}, {}};
  Outcome out{{}, document->metadata, {}};
  const auto definition = document->flags.find(options.key);
  if (definition == document->flags.end()) {
    out.evaluation = failed(EvaluationError::FlagNotFound,
                            fmt::format("{}: flag {} is not defined", options.flags, flags::in_quotes(options.key)));
    return out;
  }
  out.flag_metadata = definition->second.metadata;
  out.evaluation = flags::evaluate(options.key, definition->second, context->json(), flags::seconds_now());
  if (!options.type.empty() && out.evaluation.value && !is_of_type(out.evaluation, options.type)) {
    out.evaluation = failed(EvaluationError::TypeMismatch, fmt::format("flag {} has no value of type {}",
                                                                       flags::in_quotes(options.key), options.type));
  }
  return out;
}

std::string value_text(const Evaluation& evaluation) {
  if (evaluation.is_object) return std::get<std::string>(*evaluation.value);
  return std::visit(
      [](const auto& value) {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>)
          return '"' + value + '"';
        else
          return fmt::format("{}", value);
      },
      *evaluation.value);
}

// "theme = "#222" (variant 'dark', TARGETING_MATCH)"
std::string text_flag(const std::string& key, const Evaluation& evaluation) {
  const std::string reason(flags::to_string(evaluation.reason));
  if (!evaluation.value) return fmt::format("{}: no value ({})", key, reason);
  return fmt::format("{} = {} (variant {}, {})", key, value_text(evaluation), flags::in_quotes(evaluation.variant),
                     reason);
}

int status(EvaluationError error) {
  switch (error) {
    case EvaluationError::None:
      return exit_status::success;
    case EvaluationError::InvalidContext:
      return exit_status::usage;
    case EvaluationError::ParseError:
      return exit_status::bad_flags;
    default:
      return exit_status::failure;
  }
}

}  // namespace

int evaluate_flag(const FlagsOptions& options) {
  const Outcome outcome = evaluate(options);
  const Evaluation& evaluation = outcome.evaluation;
  if (options.json) {
    fmt::print("{}\n", flags::json_of(options.key, evaluation, outcome.set_metadata, outcome.flag_metadata));
  } else if (evaluation.error != EvaluationError::None) {
    fmt::print(stderr, "shunt: {}: {}\n", flags::to_string(evaluation.error), evaluation.message);
  } else {
    fmt::print("{}\n", text_flag(options.key, evaluation));
  }
  return status(evaluation.error);
}

int flags_command(const FlagsOptions& options) {
  return options.action == FlagsOptions::Action::Eval ? evaluate_flag(options) : control_flags(options);
}

}  // namespace shunt::cli
