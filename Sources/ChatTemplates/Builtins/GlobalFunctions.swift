// The functions that every chat template may call.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

enum GlobalFunction: String, CaseIterable {
    case range, namespace, dict
    case raiseException = "raise_exception"
    case timeNow = "strftime_now"
}

extension Interpreter {
    /// The sandbox's own bound on ranges.
    private static let longestRange = 100_000

    func call(
        _ function: GlobalFunction, _ arguments: ArgumentValues
    ) throws(TemplateError) -> TemplateValue {
        switch function {
        case .range: return try range(arguments)
        case .dict: return .dictionary(try dictionary(arguments, of: "dict"))
        case .namespace:
            let namespace = makeNamespace()
            namespace.attributes = try dictionary(arguments, of: "namespace")
            return .namespace(namespace)
        case .raiseException:
            let message = try arguments.bound(to: ["message"], of: function.rawValue)[0]
            throw TemplateError(try message?.text(budget) ?? "no message", kind: .raised)
        case .timeNow:
            let format = try arguments.bound(to: ["format"], of: function.rawValue)[0].string("format")
            guard let format else { throw TemplateError("strftime_now() needs a format") }
            return .string(try timeText(format))
        }
    }

    private func range(_ arguments: ArgumentValues) throws(TemplateError) -> TemplateValue {
        var bounds: [Int] = []
        for value in arguments.positional {
            guard let bound = try TemplateValue?.some(value).integer("range() argument") else {
                throw TemplateError("'NoneType' object cannot be interpreted as an integer")
            }
            bounds.append(bound)
        }
        guard (1...3).contains(bounds.count), arguments.named.isEmpty else {
            throw TemplateError("range() takes one to three integers")
        }
        let start = bounds.count == 1 ? 0 : bounds[0]
        let stop = bounds.count == 1 ? bounds[0] : bounds[1]
        let step = bounds.count == 3 ? bounds[2] : 1
        guard step != 0 else { throw TemplateError("range() arg 3 must not be zero") }
        var items: [TemplateValue] = []
        for number in stride(from: start, to: stop, by: step) {
            guard items.count < Self.longestRange else {
                throw TemplateError("a range of more than \(Self.longestRange) numbers", kind: .limit)
            }
            items.append(.integer(number))
        }
        try budget.charge(items.count)
        return .view(
            SequenceView(kind: .range(start: start, stop: stop, step: step), list: TemplateList(flat: items)))
    }

    private func dictionary(
        _ arguments: ArgumentValues, of function: String
    ) throws(TemplateError) -> TemplateDictionary {
        guard arguments.positional.count <= 1 else {
            throw TemplateError("\(function)() takes at most one plain argument")
        }
        var dictionary = TemplateDictionary()
        if let first = arguments.positional.first {
            if case .dictionary(let given) = first {
                dictionary = given
            } else {
                for pair in try first.iterated() {
                    let parts = try pair.iterated()
                    guard parts.count == 2 else { throw TemplateError("\(function)() needs pairs") }
                    try dictionary.set(parts[0], parts[1], budget)
                }
            }
        }
        for argument in arguments.named { try dictionary.set(.string(argument.name), argument.value, budget) }
        return dictionary
    }

    /// The local time in C's `strftime` format.
    private func timeText(_ format: String) throws(TemplateError) -> String {
        guard format.utf8.count <= 256 else { throw TemplateError("a time format of more than 256 bytes") }
        var seconds = time_t(clock())
        var fields = tm()
        localtime_r(&seconds, &fields)
        // A leading space keeps an empty result apart from one that does not fit.
        var buffer = [CChar](repeating: 0, count: 1 << 14)
        let written = strftime(&buffer, buffer.count, " " + format, &fields)
        guard written > 0 else { throw TemplateError("the time in this format is too long") }
        return String(bytes: buffer[1..<written].map { UInt8(bitPattern: $0) })
    }
}
