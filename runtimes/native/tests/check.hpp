// The checks of the test programs: CHECK prints what is wrong and goes on, and `failures` is the program's exit status.
#pragma once

#include <iostream>

inline int failures = 0;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::cerr << __FILE__ << ":" << __LINE__ << ": not true: " #condition "\n";                                \
            failures = 1;                                                                                              \
        }                                                                                                              \
    } while (false)

// Check that two values are equal, and print both if they are not.
#define CHECK_EQUAL(actual, expected)                                                                                  \
    do {                                                                                                               \
        const auto actual_value = (actual);                                                                            \
        const decltype(actual_value) expected_value = (expected);                                                      \
        if (!(actual_value == expected_value)) {                                                                       \
            std::cerr << __FILE__ << ":" << __LINE__ << ": " #actual " is " << actual_value << ", not "                \
                      << expected_value << "\n";                                                                       \
            failures = 1;                                                                                              \
        }                                                                                                              \
    } while (false)
