import SwiftUI

/// A sample app: the camera, the label of each frame, its times, the last event, and the result of the self-check.
@main
struct EdgeshiftSampleApp: App {
    var body: some Scene {
        WindowGroup { ContentView() }
    }
}
