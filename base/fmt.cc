// The compiled part of fmt, from the headers that are installed with it: a program that loads the shared one loads the C++ library
// for it as well, and both take longer to bind than such a program to start.
#include <fmt/format-inl.h>

FMT_BEGIN_NAMESPACE
namespace detail {

// The headers declare these as instantiated elsewhere, which is here.
template FMT_API void buffer<char>::append(const char*, const char*);
template FMT_API auto thousands_sep_impl(locale_ref) -> thousands_sep_result<char>;
template FMT_API auto decimal_point_impl(locale_ref) -> char;
template FMT_API void vformat_to(buffer<char>&, string_view, format_args, locale_ref);

}  // namespace detail
FMT_END_NAMESPACE

#ifdef ACETATE_FMT_ALONE
// Meson asks whether this is all of the fmt that is installed.
int main() { return static_cast<int>(fmt::format("{:>9} {:#x} {:.3f} {}", "words", 1, 1.0, 2.0F).size()); }
#endif
