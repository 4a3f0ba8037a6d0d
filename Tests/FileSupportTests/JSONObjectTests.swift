// JSONObject keeps file order and finds keys whether or not it is large enough to be indexed.

import FileSupport
import Testing

@Suite struct JSONObjectTests {
    @Test(arguments: [0, 1, 7, 8, 9, 10, 100, 1000])
    func findsEveryMemberAtAnySize(_ count: Int) {
        var object = JSONObject()
        for index in 0..<count { object["key \(index)"] = .integer(index) }
        #expect(object.count == count)
        #expect(object.keys == (0..<count).map { "key \($0)" })
        for index in 0..<count { #expect(object["key \(index)"] == .integer(index)) }
        #expect(object["key \(count)"] == nil)
    }

    @Test(arguments: [3, 9, 40])
    func replacesInPlaceAndRemoves(_ count: Int) {
        var object = JSONObject((0..<count).map { ("k\($0)", .integer($0)) })
        object["k1"] = .bool(true)
        #expect(object.members[1].value == .bool(true))
        object["k0"] = nil
        object["missing"] = nil
        #expect(object.count == count - 1)
        #expect(object["k0"] == nil)
        for index in 2..<count { #expect(object["k\(index)"] == .integer(index)) }
        object["k0"] = .null
        #expect(object.keys.last == "k0")
    }

    @Test func equalityIgnoresOrder() {
        let left = JSONObject([("a", .integer(1)), ("b", .null)])
        #expect(left == JSONObject([("b", .null), ("a", .integer(1))]))
        #expect(left != JSONObject([("b", .null), ("a", .integer(2))]))
        #expect(left != JSONObject([("a", .integer(1))]))
    }
}
