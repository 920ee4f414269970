/* SPDX-License-Identifier: MIT
 * The one error convention of the whole project: every function that can fail returns enum status. */
#pragma once

enum status {
    OK = 0,
    ERR_CALL = 1,     /* no such system call, or it is not for this caller */
    ERR_HANDLE = 2,   /* no such handle, an object of another type, or a missing right */
    ERR_PARAM = 3,    /* an argument is out of range or misaligned */
    ERR_MEMORY = 4,   /* the quota or the kernel pool is exhausted */
    ERR_BUSY = 5,     /* the object is in a state in which this cannot be done now */
    ERR_EXISTS = 6,   /* something is already there */
    ERR_NONE = 7,     /* nothing is there */
    ERR_DENIED = 8,   /* the range belongs to the kernel or to nobody */
    ERR_SUPPORT = 9,  /* this machine cannot do it */
    ERR_FORMAT = 10,  /* malformed input */
    ERR_TIMEOUT = 11, /* the deadline passed first */
    ERR_DEVICE = 12,  /* a device reported an error */
    ERR_AGAIN = 13,   /* not yet: try again in a moment */
};

#define must_use __attribute__((warn_unused_result))
