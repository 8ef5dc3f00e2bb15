import AVFoundation
import SwiftUI

struct ContentView: View {
    @StateObject private var watcher = Watcher()

    var body: some View {
        ZStack(alignment: .bottom) {
            CameraPreview(session: watcher.session).ignoresSafeArea()
            VStack(alignment: .leading) {
                Text(watcher.label).font(.title)
                Text(watcher.times)
                Text(watcher.event)
                Text(watcher.status)
                if watcher.canListen {
                    Toggle(watcher.listening ? "listening: \(watcher.heard)" : "microphone is off", isOn: microphone)
                }
            }
            .padding()
            .frame(maxWidth: .infinity, alignment: .leading)
            .background(.thinMaterial)
        }
        .task { await watcher.run() }
    }

    private var microphone: Binding<Bool> {
        Binding(get: { watcher.listening }, set: { on in Task { await watcher.listen(on) } })
    }
}

/// The picture of the camera.
struct CameraPreview: UIViewRepresentable {
    let session: AVCaptureSession

    final class PreviewView: UIView {
        override class var layerClass: AnyClass { AVCaptureVideoPreviewLayer.self }
    }

    func makeUIView(context: Context) -> PreviewView {
        let view = PreviewView()
        let layer = view.layer as? AVCaptureVideoPreviewLayer
        layer?.session = session
        layer?.videoGravity = .resizeAspectFill
        return view
    }

    func updateUIView(_ view: PreviewView, context: Context) {}
}
