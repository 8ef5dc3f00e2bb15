plugins {
    id("com.android.library")
}

// Artifacts for Qualcomm's NPU run on QNN and ONNX Runtime, and .tflite artifacts on LiteRT.
val artifacts = listOf("src/androidTest/assets", "../app/src/main/assets").flatMap { fileTree(it).map(File::getName) }
val qnn = artifacts.any { it.endsWith(".qnn.onnx") }
val litert = !qnn || artifacts.any { it.endsWith(".tflite") }

android {
    namespace = "dev.edgeshift"
    compileSdk = 36
    defaultConfig {
        minSdk = 24
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
        consumerProguardFiles("consumer-rules.pro")
        // LiteRT's library exists for these processors, and QNN's for the first one.
        ndk { abiFilters += if (qnn) listOf("arm64-v8a") else listOf("arm64-v8a", "x86_64") }
        // Processors with memory pages of 16 kB need this with NDK 27; later ones do it without.
        externalNativeBuild { cmake { arguments += "-DANDROID_SUPPORT_FLEXIBLE_PAGE_SIZES=ON" } }
    }
    externalNativeBuild {
        cmake {
            path = file("src/main/cpp/CMakeLists.txt")
            version = "3.22.1"
        }
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    sourceSets {
        // The replay of a golden transcript, which edgeshift's own tests run on a desktop.
        getByName("androidTest").kotlin.directories += "src/shared/kotlin"
    }
}

dependencies {
    // The libraries that the native code opens when it loads the first artifact.
    if (qnn) {
        implementation("com.microsoft.onnxruntime:onnxruntime-android:1.24.3")
        implementation("com.qualcomm.qti:onnxruntime-android-qnn:2.6.0")
        implementation("com.qualcomm.qti:qnn-runtime:2.51.0") // not older than the QNN that compiled the artifact
    }
    if (litert) implementation("com.google.ai.edge.litert:litert:2.3.2")
    api("org.jetbrains.kotlinx:kotlinx-coroutines-core:1.10.2")
    // Only apps that use CameraX need it, and they name its version.
    compileOnly("androidx.camera:camera-core:1.5.0")
    androidTestImplementation("androidx.test:runner:1.6.2")
    androidTestImplementation("androidx.test.ext:junit:1.2.1")
}
