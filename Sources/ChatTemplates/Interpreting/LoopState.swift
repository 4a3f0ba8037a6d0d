// The `loop` variable.

final class LoopState {
    let items: [TemplateValue]
    let depth: Int
    var index = 0

    init(items: [TemplateValue], _ budget: RenderBudget) throws(TemplateError) {
        self.items = items
        depth = try TemplateValue.depth(above: items, budget)
    }

    func attribute(_ name: String) -> TemplateValue? {
        switch name {
        case "index": .integer(index + 1)
        case "index0": .integer(index)
        case "revindex": .integer(items.count - index)
        case "revindex0": .integer(items.count - index - 1)
        case "first": .bool(index == 0)
        case "last": .bool(index == items.count - 1)
        case "length": .integer(items.count)
        // Counts the levels of recursive loops, which are not supported, so there is one.
        case "depth": .integer(1)
        case "depth0": .integer(0)
        case "previtem": index > 0 ? items[index - 1] : .undefined(.message("there is no previous item"))
        case "nextitem":
            index + 1 < items.count ? items[index + 1] : .undefined(.message("there is no next item"))
        case "cycle": .callable(.cycle(self))
        default: nil
        }
    }
}
