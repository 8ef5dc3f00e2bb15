package dev.edgeshift

import androidx.test.ext.junit.runners.AndroidJUnit4
import androidx.test.platform.app.InstrumentationRegistry
import dev.edgeshift.android.load
import dev.edgeshift.transcript.Replay
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith

/** Replays golden transcripts on the phone. Each artifact has one: NAME.tflite has NAME.transcript.json. */
@RunWith(AndroidJUnit4::class)
class ReplayTest {
    private val assets = InstrumentationRegistry.getInstrumentation().context.assets
    private val artifacts = assets.list("").orEmpty().filter { it.endsWith(".tflite") || it.endsWith(".qnn.onnx") }

    @Test
    fun everyArtifactGivesTheResultsOfItsTranscript() {
        assertTrue("copy an artifact and its transcript to src/androidTest/assets", artifacts.isNotEmpty())
        for (name in artifacts) {
            val transcript = name.substringBeforeLast('.') + ".transcript.json"
            val text = assets.open(transcript).use { it.readBytes().decodeToString() }
            Edgeshift.load(assets, name).use { assertEquals(emptyList<String>(), Replay(it, text).run()) }
        }
    }

    @Test
    fun everyArtifactPassesItsSelfCheck() {
        for (name in artifacts) {
            val result = Edgeshift.load(assets, name).use { it.selfCheck() }
            assertTrue("$name: $result", result.ok)
        }
    }
}
