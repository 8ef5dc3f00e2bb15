// Not built by edgeshift's tests: they have no Android SDK. They compile the Kotlin classes that need no Android.
buildscript {
    dependencies {
        // The compiler with which edgeshift's tests compile the classes that need no Android.
        classpath("org.jetbrains.kotlin:kotlin-gradle-plugin:2.4.20")
    }
}

plugins {
    id("com.android.library") version "9.2.1" apply false
    id("com.android.application") version "9.2.1" apply false
}
