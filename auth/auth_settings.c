#include "auth/auth_settings.h"

#include <stddef.h>

#include "auth/credentials.h"
#include "auth/foreign.h"
#include "auth/gate.h"
#include "auth/spending.h"

static struct number {
    char const *name;
    size_t offset; /* of its uint64_t in struct auth_settings */
    uint64_t standard, minimum, maximum;
} const numbers[] = {
    {"authfailures", offsetof(struct auth_settings, failures), GATE_FAILURES, 0, 10000},
    {"authdelay", offsetof(struct auth_settings, delay), GATE_DELAY, 1, 30},
    {"timeoutauth", offsetof(struct auth_settings, timeout), 60, 1, 170}, /* smtpd/settings.c */
    {"loginmessages", offsetof(struct auth_settings, messages), SPENDING_MESSAGES, 0,
     CREDENTIALS_RECIPIENTS},
    {"loginrecipients", offsetof(struct auth_settings, recipients), SPENDING_RECIPIENTS, 0,
     CREDENTIALS_RECIPIENTS},
};

bool auth_settings_load(struct auth_settings *settings, struct control const *control,
                        struct control_error *error)
{
    static char const command[] = "an absolute path and arguments, separated by blanks";
    *settings = (struct auth_settings){.program = STRALLOC_ZERO};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct number const *const number = &numbers[i];
        uint64_t *const value = (uint64_t *)(void *)((char *)settings + number->offset);
        *value = number->standard;
        if (control_number(control, number->name, value, number->minimum, number->maximum, error) ==
            CONTROL_ERROR)
            return false;
    }
    enum control_result const result = control_first(control, "authprogram", &settings->program,
                                                     foreign_is_command, command, error);
    if (result == CONTROL_OK && !stralloc_0(&settings->program)) {
        control_problem(control, "authprogram", error, "out of memory");
        return false;
    }
    return result != CONTROL_ERROR;
}
