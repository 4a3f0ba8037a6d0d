#include "CKernels.h"
int sl_placeholder(void) { return 0; }
