#include "lib/date.h"

#include <stdint.h>

#include <skalibs/fmtscan.h>
#include <skalibs/types.h>

#define LAST_SECOND 253402300799 /* of the year 9999 */

static size_t add_two_digits(char *out, uint64_t value)
{
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
    return 2;
}

size_t date_format(char date[static DATE_SIZE], time_t when)
{
    static char const weekdays[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static char const months[12][4] = {"Mar", "Apr", "May", "Jun", "Jul", "Aug",
                                       "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"};
    uint64_t seconds = when < 0 || when > LAST_SECOND ? 0 : (uint64_t)when;
    uint64_t days = seconds / 86400;

    /* Years that begin in March, so that the leap day is the last; days from 0000-03-01. */
    uint64_t shifted = days + 719468;
    uint64_t era = shifted / 146097, day_of_era = shifted % 146097;
    uint64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t month = (5 * day_of_year + 2) / 153; /* 0: March */
    uint64_t day = day_of_year - (153 * month + 2) / 5 + 1;
    uint64_t year = era * 400 + year_of_era + (month >= 10);

    /* By hand: printf costs a fresh process many page faults. */
    size_t length = str_fmt(date, weekdays[days % 7]);
    length += str_fmt(date + length, ", ");
    length += uint64_fmt(date + length, day);
    date[length++] = ' ';
    length += str_fmt(date + length, months[month]);
    date[length++] = ' ';
    length += uint64_fmt(date + length, year);
    date[length++] = ' ';
    length += add_two_digits(date + length, seconds / 3600 % 24);
    date[length++] = ':';
    length += add_two_digits(date + length, seconds / 60 % 60);
    date[length++] = ':';
    length += add_two_digits(date + length, seconds % 60);
    length += str_fmt(date + length, " +0000");
    date[length] = 0;
    return length;
}
