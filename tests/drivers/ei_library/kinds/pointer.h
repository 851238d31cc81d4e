/* Classification values behind a pointer, times in whole milliseconds only. */
#define STUB_CLASSIFICATION_IS_A_POINTER 1
#define STUB_COUNTS_MICROSECONDS 0
