// SHA-256: the examples of FIPS 180-4, and parts of every length around the size of a block.
#include "sha256.hpp"

#include <algorithm>

#include "check.hpp"

using namespace edgeshift;

int main() {
    CHECK_EQUAL(sha256("", 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK_EQUAL(sha256("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK_EQUAL(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56),
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    const std::string million(1000000, 'a');
    CHECK_EQUAL(sha256(million.data(), million.size()),
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    for (size_t size = 0; size < 200; size++)
        for (size_t part : {1, 55, 63, 64, 65}) {
            Sha256 hash, plain(true);
            for (size_t at = 0; at < size; at += part) {
                hash.update(million.data() + at, std::min(part, size - at));
                plain.update(million.data() + at, std::min(part, size - at));
            }
            CHECK_EQUAL(hash.hex(), sha256(million.data(), size));
            CHECK_EQUAL(plain.hex(), sha256(million.data(), size));
        }
    return failures;
}
