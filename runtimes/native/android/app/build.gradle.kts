plugins {
    id("com.android.application")
}

// Qualcomm's NPU loads its libraries from files, and not from the APK.
val qnn = fileTree("src/main/assets").any { it.name.endsWith(".qnn.onnx") }

android {
    namespace = "dev.edgeshift.sample"
    packaging { jniLibs { useLegacyPackaging = qnn } }
    compileSdk = 36
    defaultConfig {
        applicationId = "dev.edgeshift.sample"
        minSdk = 24
        targetSdk = 36
        versionCode = 1
        versionName = "0.1.0"
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
}

dependencies {
    implementation(project(":edgeshift"))
    implementation("androidx.activity:activity-ktx:1.10.1")
    implementation("androidx.lifecycle:lifecycle-runtime-ktx:2.9.0")
    implementation("androidx.camera:camera-camera2:1.5.0")
    implementation("androidx.camera:camera-lifecycle:1.5.0")
    implementation("androidx.camera:camera-view:1.5.0")
    implementation("org.jetbrains.kotlinx:kotlinx-coroutines-android:1.10.2")
}
