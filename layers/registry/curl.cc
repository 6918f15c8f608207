#include "layers/registry/curl.h"

#include <dlfcn.h>

namespace acetate::registry {

namespace {

// Debian's with OpenSSL and the name that others have, then Debian's with GnuTLS.
constexpr const char* kNames[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
constexpr unsigned kOldest = 0x075500;  // 7.85: CURLOPT_PROTOCOLS_STR, without which a redirect could lead to file://

Curl functions;

Result<void> load() {
  void* library = nullptr;
  for (const char* name : kNames)
    if (library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL); library != nullptr) break;
  if (library == nullptr) return fail(ENOENT, "libcurl, which the network needs, cannot be loaded: {} (apt install libcurl4)", ::dlerror());
#define F(name)                                                                                        \
  functions.name = reinterpret_cast<decltype(functions.name)>(::dlsym(library, "curl_" #name));        \
  if (functions.name == nullptr) return fail(ENOTSUP, "libcurl is too old: it has no curl_" #name);
  ACETATE_EACH_OF_CURL(F)
#undef F
  const auto* version = functions.version_info(CURLVERSION_NOW);
  if (version->version_num < kOldest) return fail(ENOTSUP, "libcurl is too old: {}, and 7.85 is needed", version->version);
  if (const CURLcode started = functions.global_init(CURL_GLOBAL_DEFAULT); started != CURLE_OK)
    return fail(EPROTO, "libcurl does not start: {}", functions.easy_strerror(started));
  return {};
}

}  // namespace

Result<void> load_curl() {
  static const Result<void> loaded = load();
  if (!loaded) return loaded.error().clone();
  return {};
}

const Curl& curl() noexcept { return functions; }

}  // namespace acetate::registry
