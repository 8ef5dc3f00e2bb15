// Text: UTF-8, characters that are not printed, and the pieces of messages.
#include "text.hpp"

#include "check.hpp"

using namespace edgeshift;

int main() {
    for (const char *text : {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"})
        CHECK(is_utf8(text));
    // A lone byte, two overlong forms, a surrogate, a code after the last one, a cut character, an impossible byte.
    for (const char *text :
         {"\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xff"})
        CHECK(!is_utf8(text));
    CHECK_EQUAL(characters("\xc3\xa9\xe2\x82\xac x"), size_t(4));

    for (const char *text : {"", "wave left", "\xe2\x80\x8d", "\xd9\x84"}) // also the joiner of emoji, and Arabic
        CHECK(is_printable(text));
    // A tab, DEL, NEL, a line separator, a reversal of the direction, an isolate, and a byte that is not UTF-8.
    for (const char *text : {"\t", "\x7f", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xae", "\xe2\x81\xa6", "\xff"})
        CHECK(!is_printable(text));

    CHECK_EQUAL(one_line("  two \n\t lines \x1b[31m "), "two lines ?[31m");
    CHECK_EQUAL(characters(one_line(std::string(1000, 'x'))), size_t(200));
    CHECK_EQUAL(quoted("wave"), "'wave'");
    CHECK_EQUAL(quoted("it's"), "\"it's\"");
    CHECK_EQUAL(quoted("\"it's\""), "'\"it\\'s\"'");
    CHECK_EQUAL(quoted(std::string(100, 'x')), "'" + std::string(79, 'x'));
    CHECK_EQUAL(grouped(0), "0");
    CHECK_EQUAL(grouped(999), "999");
    CHECK_EQUAL(grouped(1000), "1,000");
    CHECK_EQUAL(grouped(134217728), "134,217,728");
    CHECK_EQUAL(short_number(0.5), "0.5");
    CHECK_EQUAL(short_number(1e16), "1e+16");
    CHECK_EQUAL(joined({}), "");
    CHECK_EQUAL(joined({"wave"}), "wave");
    CHECK_EQUAL(joined({"wave", "fist", "none"}), "wave, fist, none");
    CHECK_EQUAL(shape_text({1, 112, 112, 3}), "(1, 112, 112, 3)");
    CHECK_EQUAL(shape_text({5}), "(5,)");
    return failures;
}
