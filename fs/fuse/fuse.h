// libfuse's low-level interface, at the version we are written for. Nothing outside fs/fuse includes it.
#pragma once

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <fuse_lowlevel.h>
