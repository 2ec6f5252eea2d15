/* SPDX-License-Identifier: MPL-2.0
 *
 * Runs a command line inside the test's process and keeps what it printed.
 */
#ifndef CAPTURE_H
#define CAPTURE_H

enum { CAPTURE_SIZE = 1 << 16 };

extern char capture_output[CAPTURE_SIZE];     /* standard output of the last run */
extern char capture_complaints[CAPTURE_SIZE]; /* its standard error */

/* Runs `syncbus --endpoint ENDPOINT WORD...` (at most 16 words, then NULL) and returns its exit code. */
int capture_run (const char *endpoint, const char *const *words);

/* The same with standard output onto a disk that is full: capture_output stays empty. */
int capture_run_on_full_disk (const char *endpoint, const char *const *words);

#define CAPTURE(endpoint, ...) capture_run (endpoint, (const char *[]){__VA_ARGS__, NULL})

#endif
