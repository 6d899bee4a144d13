/* Signals as something to read from a descriptor (skalibs' self-pipe). */
#ifndef EKIDEN_SIGNALS_H
#define EKIDEN_SIGNALS_H

/* Traps the signals in NUMBERS, which 0 ends, for good. Returns the descriptor to wait on until
 * selfpipe_read has one; selfpipe_finish closes it. -1: logged. Once a process. */
int signals_trap(int const *numbers);

/* The same with SIGTERM and SIGINT, for a process that has no settings to load anew: SIGHUP is
 * ignored. SIGXFSZ is, too: a file too large is an error like any other. */
int signals_trap_ends(void);

#endif
