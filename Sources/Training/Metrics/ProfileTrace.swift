// Profiled steps call by call, as a file that Chrome's tracing viewer and Perfetto open.
//
// The format is the JSON object of Google's "Trace Event Format": complete events (ph "X") with start and duration in
// microseconds. Spans are nested: steps hold phases, phases hold operations.

package import FileSupport
package import TensorEngine

/// A trace of the steps whose calls a profile kept.
package struct ProfileTrace {
    package let document: JSONValue

    /// - Parameter processor: what the steps ran on, for readers of the file.
    package init(_ profile: OperationProfile, processor: String) {
        let spans = profile.events.sorted {
            // Spans that begin together: the one that holds the others first.
            ($0.start, $1.nanoseconds, $0.level.depth) < ($1.start, $0.nanoseconds, $1.level.depth)
        }
        let first = spans.first?.start ?? 0
        let name = Self.object([
            ("name", .string("thread_name")), ("ph", .string("M")), ("pid", .integer(1)),
            ("tid", .integer(1)),
            ("args", Self.object([("name", .string("training, \(processor)"))])),
        ])
        document = Self.object([
            ("displayTimeUnit", .string("ms")),
            (
                "otherData",
                Self.object([
                    ("processor", .string(processor)), ("steps", .integer(profile.tracedStepCount)),
                    ("calls_left_out", .integer(profile.omittedEventCount)),
                ])
            ),
            ("traceEvents", .array([name] + spans.map { Self.event($0, from: first) })),
        ])
    }

    /// Writes the file, whole or not at all.
    package func write(to path: String) throws(InputError) {
        try AtomicFile.write(to: path, text: document.serialized() + "\n")
    }

    private static func event(_ event: OperationProfile.Event, from first: Int) -> JSONValue {
        var arguments: [(String, JSONValue)] = []
        if !event.shape.isEmpty { arguments.append(("shape", .string(event.shape))) }
        // Per nanosecond they are billions per second.
        let duration = Double(max(event.nanoseconds, 1))
        if event.flops > 0 { arguments.append(("gflops", .number(rounded(event.flops / duration)))) }
        if event.bytes > 0 {
            arguments.append(("gigabytes_per_second", .number(rounded(event.bytes / duration))))
        }
        var members: [(String, JSONValue)] = [
            ("name", .string(event.name)), ("cat", .string(event.level.rawValue)), ("ph", .string("X")),
            ("ts", .number(Double(event.start - first) / 1000)),
            ("dur", .number(Double(event.nanoseconds) / 1000)), ("pid", .integer(1)), ("tid", .integer(1)),
        ]
        if !arguments.isEmpty { members.append(("args", object(arguments))) }
        return object(members)
    }

    private static func rounded(_ value: Double) -> Double { (10 * value).rounded() / 10 }

    private static func object(_ members: [(String, JSONValue)]) -> JSONValue {
        .object(JSONObject(members.map { (key: $0.0, value: $0.1) }))
    }
}

extension OperationProfile.Event.Level {
    fileprivate var depth: Int {
        switch self {
        case .step: 0
        case .phase: 1
        case .operation: 2
        }
    }
}
