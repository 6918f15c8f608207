// libcurl, loaded when somebody first wants a network. It brings thirty libraries with it, among them Kerberos, LDAP and TLS twice
// over, and loading those takes longer than starting a container; most commands talk to nobody.
//
// Every call of it in this folder is one of curl()'s, which is what dlsym(3) found under the name with "curl_" before it.
#pragma once

#include <curl/curl.h>

#include "base/result.h"

#define ACETATE_EACH_OF_CURL(F)                                                                                                          \
  F(easy_cleanup) F(easy_getinfo) F(easy_init) F(easy_pause) F(easy_setopt) F(easy_strerror) F(free) F(getdate) F(global_init)           \
  F(multi_add_handle) F(multi_cleanup) F(multi_info_read) F(multi_init) F(multi_perform) F(multi_poll) F(multi_remove_handle)            \
  F(multi_strerror) F(multi_wakeup) F(slist_append) F(slist_free_all) F(url) F(url_cleanup) F(url_get) F(url_set) F(url_strerror)        \
  F(version_info)

namespace acetate::registry {

struct Curl {
#define F(name) decltype(&::curl_##name) name;
  ACETATE_EACH_OF_CURL(F)
#undef F
};

// Loads it, the first time, and starts it. ENOENT with words where it is not installed, ENOTSUP where it is older than what we were
// built for. From any thread; the answer stays what it was.
Result<void> load_curl();

// Precondition: load_curl() succeeded.
const Curl& curl() noexcept;

}  // namespace acetate::registry
