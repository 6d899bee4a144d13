/* Sessions that clients resume, as an engine sees them: BearSSL asks for a session when it has read
 * its id, and gives one to be kept after a full handshake; both go to the key process. The secret
 * of a session that is resumed never comes here: what BearSSL would compute with it is asked for.
 */
#ifndef EKIDEN_SERVER_SESSION_H
#define EKIDEN_SERVER_SESSION_H

#include <bearssl.h>

#include "tls/key_protocol.h"

/* Has TLS, between br_ssl_server_zero and br_ssl_server_reset and after engine_prepare, resume
 * sessions by way of CHANNEL (tls/key_channel.h). NAME is set to what the client asks for when one
 * is resumed. One engine a process. */
void server_session_start(br_ssl_server_context *tls, int channel, char name[KEY_NAME_MAX + 1]);

/* A full handshake goes on: BearSSL did not take the session after all, or there was none. The one
 * that is made is to be called ID; for the policy's `choose`, before ServerHello is written. */
void server_session_renew(unsigned char const id[KEY_ID_SIZE]);

/* Wipes what the key process gave. */
void server_session_forget(void);

#endif
