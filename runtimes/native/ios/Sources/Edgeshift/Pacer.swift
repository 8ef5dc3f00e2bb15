/// Decides which frames of a stream are due: the first one at or after every multiple of the frame spacing. It is the
/// rule of the core, for streams whose graph runs outside of it.
struct Pacer {
    private let spacing: Double
    private var start = 0.0
    private var last: Double?
    /// Number of spacings from the start.
    private var due = 0.0

    init(_ spacing: Double) {
        self.spacing = spacing
    }

    /// Return true if the frame with this time in seconds is due, and count it as processed.
    mutating func takes(_ time: Double) -> Bool {
        if last.map({ time < $0 }) ?? true { (start, due) = (time, 0) }
        last = time
        // Some containers store whole milliseconds.
        let passed = ((time - start + 0.001) / spacing).rounded(.down)
        if passed < due { return false }
        due = passed + 1
        return true
    }
}
