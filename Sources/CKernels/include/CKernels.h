#ifndef CKERNELS_H
#define CKERNELS_H
int sl_placeholder(void);
#endif
