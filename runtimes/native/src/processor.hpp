// The processor features that LiteRT's compiled model needs. Python's runtimes/processor.py is the same.
#pragma once

namespace edgeshift {

// Throw Error with ES_NO_RUNTIME if LiteRT's library would end this process with an illegal instruction. It is asked
// before the library is opened.
void require_litert_processor();

} // namespace edgeshift
