package android.content.res

import java.io.InputStream

/** Android's class, as far as the library uses it, for tests without Android. */
open class AssetManager {
    open fun open(fileName: String): InputStream = throw java.io.FileNotFoundException(fileName)
}
