package dev.edgeshift.sample

import android.Manifest
import android.os.Bundle
import android.view.Gravity
import android.view.View
import android.widget.FrameLayout
import android.widget.Switch
import android.widget.TextView
import android.widget.Toast
import androidx.activity.ComponentActivity
import androidx.activity.result.contract.ActivityResultContracts
import androidx.camera.core.CameraSelector
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.Preview
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.camera.view.PreviewView
import androidx.core.content.ContextCompat
import androidx.lifecycle.lifecycleScope
import dev.edgeshift.Edgeshift
import dev.edgeshift.EdgeshiftException
import dev.edgeshift.Prediction
import dev.edgeshift.Recognizer
import dev.edgeshift.android.FrameAnalyzer
import dev.edgeshift.android.Microphone
import dev.edgeshift.android.load
import java.util.concurrent.Executors
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.filterNotNull
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/**
 * Shows the camera, the label of each frame, its times, the last event, and the result of the self-check.
 *
 * If the network takes sounds, there is a switch for the microphone. It is off until the user switches it on, and while
 * the app is not visible. Nothing is recorded.
 */
class MainActivity : ComponentActivity() {
    private val frames = Executors.newSingleThreadExecutor()
    private lateinit var preview: PreviewView
    private lateinit var text: TextView
    private var model: Edgeshift? = null
    private var recognizer: Recognizer? = null
    private var analyzer: FrameAnalyzer? = null
    private var microphone: Microphone? = null
    private lateinit var listen: Switch
    private var check = ""
    private var event = ""

    private val permission = registerForActivityResult(ActivityResultContracts.RequestPermission()) { allowed ->
        if (allowed) start() else text.setText(R.string.no_camera)
    }

    private val hearing = registerForActivityResult(ActivityResultContracts.RequestPermission()) { allowed ->
        if (allowed) startListening() else stopListening(getString(R.string.no_microphone))
    }

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        preview = PreviewView(this)
        text = TextView(this).apply { textSize = 20f }
        listen = Switch(this).apply {
            visibility = View.GONE
            setText(R.string.microphone_off)
            setOnCheckedChangeListener { _, on ->
                if (on) hearing.launch(Manifest.permission.RECORD_AUDIO) else stopListening()
            }
        }
        setContentView(
            FrameLayout(this).apply {
                addView(preview)
                addView(text, FrameLayout.LayoutParams(-1, -2, Gravity.BOTTOM))
                addView(listen, FrameLayout.LayoutParams(-2, -2, Gravity.TOP or Gravity.END))
            },
        )
        permission.launch(Manifest.permission.CAMERA)
    }

    /** Load the artifact, run its self-check, then start the camera. */
    private fun start() {
        val name = assets.list("").orEmpty().firstOrNull { it.endsWith(".tflite") || it.endsWith(".qnn.onnx") }
        if (name == null) {
            text.setText(R.string.no_artifact)
            return
        }
        lifecycleScope.launch {
            try {
                val loaded = withContext(Dispatchers.Default) { Edgeshift.load(assets, name) }
                model = loaded
                val result = withContext(Dispatchers.Default) { loaded.selfCheck() }
                check = "self-check ${if (result.ok) "passed" else "FAILED"}, ${loaded.runtime}"
            } catch (error: EdgeshiftException) {
                text.text = error.message
                return@launch
            }
            model?.let { watch(Recognizer(it).also { started -> recognizer = started }) }
        }
    }

    private fun watch(recognizer: Recognizer) {
        lifecycleScope.launch { recognizer.predictions.filterNotNull().collect(::show) }
        lifecycleScope.launch { recognizer.events.collect { event = "%s %.2f".format(it.label, it.score) } }
        val analyzer = FrameAnalyzer(recognizer, mirrored = true) { error ->
            runOnUiThread { text.text = error.message }
        }
        this.analyzer = analyzer
        if (model?.soundRate != null) listen.visibility = View.VISIBLE
        val analysis = ImageAnalysis.Builder().build().also { it.setAnalyzer(frames, analyzer) }
        val view = Preview.Builder().build().also { it.surfaceProvider = preview.surfaceProvider }
        val provider = ProcessCameraProvider.getInstance(this)
        provider.addListener(
            { provider.get().bindToLifecycle(this, CameraSelector.DEFAULT_FRONT_CAMERA, view, analysis) },
            ContextCompat.getMainExecutor(this),
        )
    }

    private fun startListening() {
        val (model, recognizer, clock) = Triple(model, recognizer, analyzer?.clock)
        if (model == null || recognizer == null || clock == null) return stopListening()
        val rate = maxOf(model.soundRate ?: return, RATE)
        try {
            microphone = Microphone(recognizer, rate, clock) { error ->
                runOnUiThread { stopListening(error.message) }
            }.apply { start() }
            listen.setText(R.string.listening)
        } catch (error: EdgeshiftException) {
            stopListening(error.message)
        }
    }

    private fun stopListening(why: String? = null) {
        microphone?.close()
        microphone = null
        listen.setText(R.string.microphone_off)
        listen.isChecked = false
        if (why != null) Toast.makeText(this, why, Toast.LENGTH_LONG).show()
    }

    override fun onStop() {
        super.onStop()
        stopListening()
    }

    private fun show(prediction: Prediction) {
        if (microphone != null) {
            listen.text = getString(R.string.listening) + ": " + prediction.heard?.name?.lowercase()
        }
        val times = "%.1f ms, of which network %.1f".format(1e3 * prediction.seconds, 1e3 * prediction.infer)
        text.text = listOf("%s %.2f".format(prediction.label, prediction.score), times, event, check).joinToString("\n")
    }

    override fun onDestroy() {
        super.onDestroy()
        // After the last frame: the executor ends when its frame is done.
        frames.execute {
            recognizer?.close()
            model?.close()
        }
        frames.shutdown()
    }

    private companion object {
        /** Samples per second, unless the network needs more. */
        const val RATE = 16_000
    }
}
