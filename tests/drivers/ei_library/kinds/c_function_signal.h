/* Signals with a bare function pointer. */
#define EIDSP_SIGNAL_C_FN_POINTER 1
