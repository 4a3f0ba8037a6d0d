// The values that expressions work on: Python's, as far as templates can tell the difference.

/// One value inside a template. Lists and dictionaries are immutable, as in the sandbox that templates expect.
indirect enum TemplateValue {
    case undefined(UndefinedReason)
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case string(String)
    /// Text that `safe` or `escape` marked as HTML.
    case markup(String)
    case list(TemplateList)
    case tuple(TemplateList)
    case dictionary(TemplateDictionary)
    case view(SequenceView)
    case iterator(TemplateIterator)
    case namespace(Namespace)
    case loop(LoopState)
    case callable(Callable)
}

// Values hold the references of one rendering. Saying so also spares the compiler an inference that it finds circular.
@available(*, unavailable)
extension TemplateValue: Sendable {}

/// Why a value is undefined: the message of the error that using it raises.
enum UndefinedReason {
    case name(String)
    case attribute(of: String, String)
    case element(of: String, String)
    case forbidden(of: String, String)
    case message(String)

    var text: String {
        switch self {
        case .name(let name): "'\(name)' is undefined"
        case .attribute(let type, let name): "'\(type)' has no attribute '\(name)'"
        case .element(let type, let key): "\(type) has no element \(key)"
        case .forbidden(let type, let name): "access to attribute '\(name)' of '\(type)' object is unsafe."
        case .message(let message): message
        }
    }
}

/// The items of a list or tuple, knowing how deeply they nest so that no value can grow beyond what recursion
/// over it can bear.
struct TemplateList {
    let items: [TemplateValue]
    let depth: Int

    static var empty: TemplateList { TemplateList(flat: []) }

    init(_ items: [TemplateValue], _ budget: RenderBudget) throws(TemplateError) {
        self.items = items
        depth = try TemplateValue.depth(above: items, budget)
    }

    /// Items that are known to contain no other values.
    init(flat items: [TemplateValue]) {
        self.items = items
        depth = 1
    }
}

/// A sequence that Python makes lazily and that can be walked many times: a range, or a view of a dictionary.
struct SequenceView {
    enum Kind {
        case keys, values, items
        case range(start: Int, stop: Int, step: Int)
    }
    let kind: Kind
    let list: TemplateList
}

/// What a lazy filter such as `map` returns: it can be walked once, and has no length.
final class TemplateIterator {
    private(set) var list: TemplateList
    let typeName: String

    init(_ list: TemplateList, typeName: String = "generator") {
        self.list = list
        self.typeName = typeName
    }

    /// All that is left; afterwards nothing is.
    func drain() -> [TemplateValue] {
        defer { list = .empty }
        return list.items
    }

    /// The next item alone.
    func next() -> TemplateValue? {
        guard let first = list.items.first else { return nil }
        list = TemplateList(rest: list)
        return first
    }
}

extension TemplateList {
    fileprivate init(rest list: TemplateList) {
        items = Array(list.items.dropFirst())
        depth = list.depth
    }
}

/// `namespace(...)`: the only value whose attributes a template may set.
final class Namespace {
    var attributes = TemplateDictionary()
}

extension TemplateValue {
    var isUndefined: Bool { if case .undefined = self { true } else { false } }
    var isNone: Bool { if case .none = self { true } else { false } }

    /// How many levels of containers stand in this value. Namespaces count as none: they are references, and every
    /// walk over them is bounded separately.
    var depth: Int {
        switch self {
        case .list(let list), .tuple(let list): list.depth
        case .dictionary(let dictionary): dictionary.depth
        case .view(let view): view.list.depth
        case .iterator(let iterator): iterator.list.depth
        case .callable(let callable): callable.depth
        case .loop(let loop): loop.depth
        default: 0
        }
    }

    /// The depth of a container of these values.
    static func depth(above items: [TemplateValue], _ budget: RenderBudget) throws(TemplateError) -> Int {
        try budget.charge(items.count / 4)
        var deepest = 0
        for item in items { deepest = max(deepest, item.depth) }
        guard deepest < budget.limits.valueDepth else {
            throw TemplateError("values nest more than \(budget.limits.valueDepth) deep", kind: .limit)
        }
        return deepest + 1
    }

    /// Python's truth of a value.
    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .float(let value): value != 0
        case .string(let value), .markup(let value): !value.isEmpty
        case .list(let list), .tuple(let list): !list.items.isEmpty
        case .dictionary(let dictionary): dictionary.count > 0
        case .view(let view): !view.list.items.isEmpty
        case .iterator, .namespace, .callable: true
        case .loop: true
        }
    }

    /// The name of the value's type in Python, which the messages of template authors expect.
    var typeName: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "NoneType"
        case .bool: "bool"
        case .integer: "int"
        case .float: "float"
        case .string: "str"
        case .markup: "Markup"
        case .list: "list"
        case .tuple: "tuple"
        case .dictionary: "dict"
        case .view(let view):
            switch view.kind {
            case .keys: "dict_keys"
            case .values: "dict_values"
            case .items: "dict_items"
            case .range: "range"
            }
        case .iterator(let iterator): iterator.typeName
        case .namespace: "Namespace"
        case .loop: "LoopContext"
        case .callable(let callable): callable.typeName
        }
    }

    /// The type as messages about missing attributes show it.
    var objectName: String {
        switch self {
        case .none: "None"
        case .namespace: "jinja2.utils.Namespace object"
        case .loop: "jinja2.runtime.LoopContext object"
        default: "\(typeName) object"
        }
    }
}
