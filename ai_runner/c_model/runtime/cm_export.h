/* Marks what a shared library shows to the outside; everything else is compiled with hidden visibility. */
#ifndef CM_EXPORT_H
#define CM_EXPORT_H

#if defined(_WIN32)
#define CM_EXPORT __declspec(dllexport)
#else
#define CM_EXPORT __attribute__((visibility("default")))
#endif

#endif
