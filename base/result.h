// Result<T>: a value, or the reason there is none.
//
// A missed lookup is the most common answer a filesystem gives, so an error is a value that costs nothing to
// make: an errno, and words only where somebody had something to add. The member names follow std::expected,
// so the day the tool chain parses <expected> everywhere this file becomes a `using`.
#pragma once

#include <fmt/format.h>

#include <cassert>
#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace acetate {

// An errno, and the story of how we got there when somebody wants to read it. Making one from a bare errno
// allocates nothing. `code` is always positive.
class Error {
 public:
  explicit Error(int code) noexcept : code_(code) { assert(code > 0); }
  Error(int code, std::string words) : code_(code), words_(std::make_unique<std::string>(std::move(words))) {}

  int code() const noexcept { return code_; }
  bool is(int code) const noexcept { return code_ == code; }

  // The words if there are any (they end with what the system said), else what the system says of the code.
  std::string message() const;

  // Puts what we were doing in front: "opening layer sha256:…: No such file or directory".
  Error within(std::string_view context) &&;

  Error clone() const { return words_ ? Error(code_, *words_) : Error(code_); }

 private:
  int code_;
  std::unique_ptr<std::string> words_;
};

// An error whose words are the whole story; nothing is appended to them.
template <class... Args>
Error fail(int code, fmt::format_string<Args...> format, Args&&... args) {
  return Error(code, fmt::format(format, std::forward<Args>(args)...));
}

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  template <class U>
    requires(std::convertible_to<U &&, T> && !std::same_as<std::remove_cvref_t<U>, T> &&
             !std::same_as<std::remove_cvref_t<U>, Error> && !std::same_as<std::remove_cvref_t<U>, Result<T>>)
  Result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }
  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  Error& error() & { return *std::get_if<1>(&state_); }
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> : public Result<std::monostate> {
 public:
  using value_type = void;
  using Result<std::monostate>::Result;
  Result() : Result<std::monostate>(std::monostate{}) {}
};

}  // namespace acetate

// Unwraps a Result, or returns its error from the enclosing function. A statement expression, which g++ and
// clang both have; __COUNTER__ keeps a TRY inside a TRY from shadowing the outer one.
#define TRY(expr) ACETATE_TRY_NUMBERED(expr, __COUNTER__)
#define ACETATE_TRY_NUMBERED(expr, n) ACETATE_TRY_BODY(expr, n)
#define ACETATE_TRY_BODY(expr, n)                                              \
  __extension__({                                                              \
    auto&& try_result_##n = (expr);                                            \
    if (!try_result_##n) [[unlikely]] return std::move(try_result_##n).error(); \
    *std::move(try_result_##n);                                                \
  })

// The same, with words about what we were doing: TRY_WITHIN(open(path), "opening {}", path). The words are
// formatted only when there is an error to put them in front of.
#define TRY_WITHIN(expr, ...) ACETATE_TRY_WITHIN_NUMBERED(expr, __COUNTER__, __VA_ARGS__)
#define ACETATE_TRY_WITHIN_NUMBERED(expr, n, ...) ACETATE_TRY_WITHIN_BODY(expr, n, __VA_ARGS__)
#define ACETATE_TRY_WITHIN_BODY(expr, n, ...)                                           \
  __extension__({                                                                       \
    auto&& try_result_##n = (expr);                                                     \
    if (!try_result_##n) [[unlikely]]                                                   \
      return std::move(try_result_##n).error().within(fmt::format(__VA_ARGS__));        \
    *std::move(try_result_##n);                                                         \
  })
