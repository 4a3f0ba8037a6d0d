// The members of a JSON object: in file order, found by exact key bytes, cheap to build for a quarter of a million keys.

/// The members of a JSON object in file order, found by the exact bytes of their keys.
///
/// Swift compares strings by canonical equivalence, so "é" composed and decomposed would be one `Dictionary` key;
/// a vocabulary has both. Keys are therefore compared by their UTF-8 bytes.
public struct JSONObject: Equatable, Sendable {
    /// Members in file order.
    public private(set) var members: [(key: String, value: JSONValue)] = []

    /// Open-addressing table of member positions, linear probing, `empty` where free. It has no entries while the
    /// object is small: comparing a few keys beats hashing them, and most objects of a document are small.
    private var table: [Int32] = []
    private static let largestUnindexedCount = 8
    private static let empty: Int32 = -1

    /// An object without members.
    public init() {}

    /// An object with these members; of members with the same key the last value stands, at the first one's place.
    public init(_ members: [(key: String, value: JSONValue)]) {
        for member in members { self[member.key] = member.value }
    }

    /// The value of a key; setting an existing key replaces its value in place, setting nil removes it.
    public subscript(key: String) -> JSONValue? {
        get { position(of: key).map { members[$0].value } }
        set {
            switch (position(of: key), newValue) {
            case (let position?, let value?):
                members[position].value = value
            case (nil, let value?):
                members.append((key, value))
                indexLastMember()
            case (let position?, nil):
                members.remove(at: position)
                rebuildTable()
            case (nil, nil):
                break
            }
        }
    }

    /// How many members there are.
    public var count: Int { members.count }
    /// The keys in file order.
    public var keys: [String] { members.map(\.key) }

    /// Equal members, in whatever order.
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.count == right.count
            && left.members.allSatisfy { right[$0.key] == $0.value }
    }
}

extension JSONObject {
    /// Takes members as parsed, or gives the position of the first one that repeats an earlier key.
    static func withUniqueKeys(_ members: [(key: String, value: JSONValue)]) -> Uniqueness {
        var object = JSONObject()
        object.members = members
        if members.count <= largestUnindexedCount {
            for position in members.indices.dropFirst() {
                let key = members[position].key
                for earlier in 0..<position where haveEqualBytes(members[earlier].key, key) {
                    return .repeated(position)
                }
            }
            return .unique(object)
        }
        object.table = emptyTable(for: members.count)
        for position in members.indices {
            let slot = object.slot(of: members[position].key)
            guard object.table[slot] == empty else { return .repeated(position) }
            object.table[slot] = Int32(position)
        }
        return .unique(object)
    }

    enum Uniqueness {
        case unique(JSONObject)
        case repeated(Int)
    }

    private func position(of key: String) -> Int? {
        if table.isEmpty { return members.firstIndex { Self.haveEqualBytes($0.key, key) } }
        let found = table[slot(of: key)]
        return found == Self.empty ? nil : Int(found)
    }

    /// The slot that holds this key, or the free one where it belongs.
    private func slot(of key: String) -> Int {
        let mask = table.count - 1
        var slot = Self.hash(key) & mask
        while table[slot] != Self.empty, !Self.haveEqualBytes(members[Int(table[slot])].key, key) {
            slot = (slot + 1) & mask
        }
        return slot
    }

    private mutating func indexLastMember() {
        if members.count > Self.largestUnindexedCount, members.count * 2 > table.count {
            rebuildTable()
        } else if !table.isEmpty {
            let position = members.count - 1
            table[slot(of: members[position].key)] = Int32(position)
        }
    }

    private mutating func rebuildTable() {
        guard members.count > Self.largestUnindexedCount else {
            table = []
            return
        }
        table = Self.emptyTable(for: members.count)
        for position in members.indices { table[slot(of: members[position].key)] = Int32(position) }
    }

    /// At most half full, also after as many insertions again: a power of two above twice the count.
    private static func emptyTable(for count: Int) -> [Int32] {
        precondition(count < Int(Int32.max) / 4, "JSONObject: \(count) members are too many")
        var capacity = 32
        while capacity < count * 4 { capacity *= 2 }
        return Array(repeating: empty, count: capacity)
    }

    /// Seeded per process, so that a crafted file cannot make every key collide.
    private static func hash(_ key: String) -> Int {
        var hasher = Hasher()
        var key = key
        key.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        return hasher.finalize()
    }

    private static func haveEqualBytes(_ left: String, _ right: String) -> Bool {
        guard left.utf8.count == right.utf8.count else { return false }
        return left.utf8.elementsEqual(right.utf8)
    }
}
