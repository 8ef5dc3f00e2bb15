// Reads every file whose path is a line of standard input, and prints a line for each: "ok", or why it is refused.
// A file whose name ends in .json is a description, and other files are artifacts.
#include <fstream>
#include <iostream>
#include <iterator>

#include "artifact.hpp"
#include "error.hpp"

using namespace edgeshift;

int main() {
    for (std::string path; std::getline(std::cin, path);) {
        try {
            if (path.size() > 5 && path.substr(path.size() - 5) == ".json") {
                std::ifstream file(path, std::ios::binary);
                read_description(std::string(std::istreambuf_iterator<char>(file), {}));
            } else {
                read_artifact_file(path);
            }
            std::cout << "ok\n";
        } catch (const Error &error) {
            std::cout << error.what() << "\n";
        }
    }
}
