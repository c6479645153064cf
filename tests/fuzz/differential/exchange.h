// What a differential target and the interpreter's process say to each other, and how both note what a guest did.
//
// Plain C++17: the interpreter's headers are no C++20. Messages are a count of 64-bit words and the words.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

namespace shunt::fuzz {

using Words = std::vector<std::uint64_t>;

struct Signature {
  Words params, results;  // ValueType as numbers
};
struct Call {
  std::uint64_t function = 0;
  Words arguments;
};
// The calls are made one after another; before each, global 0 is set to `steps`.
struct Request {
  std::vector<std::uint8_t> module;
  std::vector<Signature> functions;
  std::uint64_t globals = 0, steps = 0;
  std::vector<Call> calls;
};

// Of the answer: what each call noted; the first word of a module that is refused is `refused`.
inline constexpr std::uint64_t refused = ~std::uint64_t{0};

// What a call left behind: whether it trapped, its results, the globals, and the memory.
inline void note(Words& transcript, const std::optional<Words>& results, const Words& globals,
                 const std::uint8_t* memory, std::size_t size) {
  transcript.push_back(results ? 1 : 0);
  if (results) transcript.insert(transcript.end(), results->begin(), results->end());
  transcript.insert(transcript.end(), globals.begin(), globals.end());
  std::uint64_t hash = 0xcbf2'9ce4'8422'2325;  // FNV-1a, by words
  for (std::size_t at = 0; at + 8 <= size; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, memory + at, sizeof word);
    hash = (hash ^ word) * 0x0000'0100'0000'01b3;
  }
  transcript.push_back(size);
  transcript.push_back(hash);
}

inline Words encode(const Request& request) {
  Words out = {request.module.size()};
  const auto add = [&out](const Words& words) {
    out.push_back(words.size());
    out.insert(out.end(), words.begin(), words.end());
  };
  Words bytes((request.module.size() + 7) / 8);
  if (!request.module.empty()) std::memcpy(bytes.data(), request.module.data(), request.module.size());
  out.insert(out.end(), bytes.begin(), bytes.end());
  out.insert(out.end(), {request.globals, request.steps, request.functions.size(), request.calls.size()});
  for (const Signature& function : request.functions) {
    add(function.params);
    add(function.results);
  }
  for (const Call& call : request.calls) {
    out.push_back(call.function);
    add(call.arguments);
  }
  return out;
}

// Precondition: `words` came from encode().
inline Request decode(const Words& words) {
  std::size_t at = 0;
  const auto next = [&] { return words.at(at++); };
  const auto list = [&] {
    Words out(next());
    for (std::uint64_t& word : out) word = next();
    return out;
  };
  Request request;
  request.module.resize(next());
  if (!request.module.empty()) std::memcpy(request.module.data(), words.data() + at, request.module.size());
  at += (request.module.size() + 7) / 8;
  request.globals = next();
  request.steps = next();
  request.functions.resize(next());
  request.calls.resize(next());
  for (Signature& function : request.functions) {
    function.params = list();
    function.results = list();
  }
  for (Call& call : request.calls) {
    call.function = next();
    call.arguments = list();
  }
  return request;
}

inline bool transfer(int file, void* data, std::size_t size, bool writes) {
  auto* at = static_cast<char*>(data);
  while (size != 0) {
    const ssize_t done = writes ? write(file, at, size) : read(file, at, size);
    if (done <= 0) return false;
    at += done;
    size -= static_cast<std::size_t>(done);
  }
  return true;
}

// False: the other side is gone.
inline bool send(int file, Words words) {
  std::uint64_t count = words.size();
  return transfer(file, &count, sizeof count, true) && transfer(file, words.data(), 8 * words.size(), true);
}
inline std::optional<Words> receive(int file) {
  std::uint64_t count = 0;
  if (!transfer(file, &count, sizeof count, false)) return std::nullopt;
  Words words(count);
  if (!transfer(file, words.data(), 8 * words.size(), false)) return std::nullopt;
  return words;
}

}  // namespace shunt::fuzz
