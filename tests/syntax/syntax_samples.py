"""One small, real piece of code per language, with the body (of a function, or what comes nearest) a cut must find."""

SAMPLES: dict[str, tuple[str, str]] = {
    "python": (
        'import os\n\n\nclass Store:\n    """Files by name."""\n\n    def read(self, name: str) -> bytes:\n'
        '        path = os.path.join(self.root, name)\n        with open(path, "rb") as file:\n'
        "            return file.read()\n\n    def names(self):\n        for name in sorted(os.listdir(self.root)):\n"
        '            if not name.startswith("."):\n                yield name\n',
        'path = os.path.join(self.root, name)\n        with open(path, "rb") as file:\n            return file.read()',
    ),
    "java": (
        "package shop;\n\nimport java.util.List;\n\npublic class Cart {\n    private final List<Item> items;\n\n"
        "    public int total(int discount) {\n        int sum = 0;\n        for (Item item : items) {\n"
        "            sum += item.price(discount, 2);\n        }\n        return Math.max(sum, 0);\n    }\n}\n",
        "int sum = 0;\n        for (Item item : items) {\n            sum += item.price(discount, 2);\n        }\n"
        "        return Math.max(sum, 0);",
    ),
    "kotlin": (
        "package shop\n\nimport kotlin.math.max\n\nclass Cart(private val items: List<Item>) {\n"
        "    fun total(discount: Int): Int {\n        var sum = 0\n        for (item in items) {\n"
        "            sum += item.price(discount, 2)\n        }\n        return max(sum, 0)\n    }\n}\n",
        "var sum = 0\n        for (item in items) {\n            sum += item.price(discount, 2)\n        }\n"
        "        return max(sum, 0)",
    ),
    "javascript": (
        'import { open } from "fs";\n\nexport class Cart {\n  total(discount) {\n    let sum = 0;\n'
        "    for (const item of this.items) {\n      sum += item.price(discount, 2);\n    }\n"
        "    return Math.max(sum, 0);\n  }\n}\n\nconst shout = (word) => {\n  return `${word}!`;\n};\n",
        "let sum = 0;\n    for (const item of this.items) {\n      sum += item.price(discount, 2);\n    }\n"
        "    return Math.max(sum, 0);",
    ),
    "typescript": (
        "interface Item {\n  name: string;\n  price(discount: number, digits: number): number;\n}\n\n"
        "export function total(items: Item[], discount: number): number {\n  let sum = 0;\n"
        "  for (const item of items) {\n    sum += item.price(discount, 2);\n  }\n  return Math.max(sum, 0);\n}\n",
        "let sum = 0;\n  for (const item of items) {\n    sum += item.price(discount, 2);\n  }\n"
        "  return Math.max(sum, 0);",
    ),
    "tsx": (
        'import React from "react";\n\nexport function List({ items }: { items: string[] }) {\n'
        '  const shown = items.filter((item) => item.length > 0);\n  return (\n    <ul className="list">\n'
        "      {shown.map((item) => (\n        <li key={item}>{item}</li>\n      ))}\n    </ul>\n  );\n}\n",
        'const shown = items.filter((item) => item.length > 0);\n  return (\n    <ul className="list">\n'
        "      {shown.map((item) => (\n        <li key={item}>{item}</li>\n      ))}\n    </ul>\n  );",
    ),
    "go": (
        'package shop\n\nimport "fmt"\n\ntype Cart struct {\n\titems []Item\n\towner string\n}\n\n'
        "func (c *Cart) Total(discount int) (int, error) {\n\tsum := 0\n\tfor _, item := range c.items {\n"
        '\t\tsum += item.Price(discount, 2)\n\t}\n\tif sum < 0 {\n\t\treturn 0, fmt.Errorf("negative: %d", sum)\n\t}\n'
        "\treturn sum, nil\n}\n",
        "sum := 0\n\tfor _, item := range c.items {\n\t\tsum += item.Price(discount, 2)\n\t}\n\tif sum < 0 {\n"
        '\t\treturn 0, fmt.Errorf("negative: %d", sum)\n\t}\n\treturn sum, nil',
    ),
    "rust": (
        "use std::cmp::max;\n\npub struct Cart<'a> {\n    items: &'a [Item],\n    owner: String,\n}\n\n"
        "impl<'a> Cart<'a> {\n    pub fn total(&self, discount: i64) -> i64 {\n        let mut sum = 0;\n"
        "        for item in self.items {\n            sum += item.price(discount, 2);\n        }\n"
        "        max(sum, 0)\n    }\n}\n",
        "let mut sum = 0;\n        for item in self.items {\n            sum += item.price(discount, 2);\n        }\n"
        "        max(sum, 0)",
    ),
    "c": (
        "#include <stdio.h>\n\nstruct item {\n    int price;\n    int count;\n};\n\n"
        "int total(const struct item *items, int n)\n{\n    int sum = 0;\n    for (int i = 0; i < n; i++) {\n"
        '        sum += items[i].price;\n        printf("%d\\n", sum);\n    }\n    return sum;\n}\n',
        "int sum = 0;\n    for (int i = 0; i < n; i++) {\n        sum += items[i].price;\n"
        '        printf("%d\\n", sum);\n    }\n    return sum;',
    ),
    "cpp": (
        "#include <vector>\n\nnamespace shop {\n\nclass Cart {\n public:\n  int total(int discount) const {\n"
        "    int sum = 0;\n    for (const auto& item : items_) {\n      sum += item.price(discount, 2);\n    }\n"
        "    return std::max(sum, 0);\n  }\n\n private:\n  std::vector<Item> items_;\n};\n\n}  // namespace shop\n",
        "int sum = 0;\n    for (const auto& item : items_) {\n      sum += item.price(discount, 2);\n    }\n"
        "    return std::max(sum, 0);",
    ),
    "csharp": (
        "using System;\n\nnamespace Shop\n{\n    public class Cart\n    {\n        public int Total(int discount)\n"
        "        {\n            var sum = 0;\n            foreach (var item in items)\n            {\n"
        "                sum += item.Price(discount, 2);\n            }\n            return Math.Max(sum, 0);\n"
        "        }\n    }\n}\n",
        "var sum = 0;\n            foreach (var item in items)\n            {\n"
        "                sum += item.Price(discount, 2);\n            }\n            return Math.Max(sum, 0);",
    ),
    "ruby": (
        "require 'set'\n\nclass Cart\n  attr_reader :items\n\n  def total(discount)\n    sum = 0\n"
        "    items.each do |item|\n      sum += item.price(discount, 2)\n      log(sum)\n    end\n"
        "    [sum, 0].max\n  end\nend\n",
        "sum = 0\n    items.each do |item|\n      sum += item.price(discount, 2)\n      log(sum)\n    end\n"
        "    [sum, 0].max",
    ),
    "php": (
        "<?php\n\nnamespace Shop;\n\nclass Cart\n{\n    private array $items;\n\n    "
        "public function total(int $discount): int\n"
        "    {\n        $sum = 0;\n        foreach ($this->items as $item) {\n"
        "            $sum += $item->price($discount, 2);\n        }\n        return max($sum, 0);\n    }\n}\n",
        "$sum = 0;\n        foreach ($this->items as $item) {\n            $sum += $item->price($discount, 2);\n"
        "        }\n        return max($sum, 0);",
    ),
    "swift": (
        "import Foundation\n\nstruct Cart {\n    let items: [Item]\n\n    func total(discount: Int) -> Int {\n"
        "        var sum = 0\n        for item in items {\n            sum += item.price(discount, digits: 2)\n"
        "        }\n        return max(sum, 0)\n    }\n}\n",
        "var sum = 0\n        for item in items {\n            sum += item.price(discount, digits: 2)\n        }\n"
        "        return max(sum, 0)",
    ),
    "scala": (
        "package shop\n\nimport scala.math.max\n\nclass Cart(items: List[Item]) {\n"
        "  def total(discount: Int): Int = {\n    var sum = 0\n    for (item <- items) {\n"
        "      sum += item.price(discount, 2)\n    }\n    max(sum, 0)\n  }\n}\n",
        "var sum = 0\n    for (item <- items) {\n      sum += item.price(discount, 2)\n    }\n    max(sum, 0)",
    ),
    "bash": (
        '#!/bin/bash\nset -e\n\ntotal() {\n    local sum=0\n    for item in "$@"; do\n        sum=$((sum + item))\n'
        '        echo "sum is $sum"\n    done\n    echo "$sum"\n}\n\ntotal 1 2 3\n',
        'local sum=0\n    for item in "$@"; do\n        sum=$((sum + item))\n        echo "sum is $sum"\n    done\n'
        '    echo "$sum"',
    ),
    "lua": (
        'local json = require("json")\n\nlocal Cart = {}\n\nfunction Cart:total(discount)\n  local sum = 0\n'
        "  for _, item in ipairs(self.items) do\n    sum = sum + item:price(discount, 2)\n  end\n"
        "  return math.max(sum, 0)\nend\n\nreturn Cart\n",
        "local sum = 0\n  for _, item in ipairs(self.items) do\n    sum = sum + item:price(discount, 2)\n  end\n"
        "  return math.max(sum, 0)",
    ),
    "sql": (
        "-- sales by month\nCREATE TABLE sales (\n  id INTEGER PRIMARY KEY,\n  price INTEGER NOT NULL\n);\n\n"
        "SELECT month, sum(price) AS total\nFROM sales\nWHERE price > 0\nGROUP BY month\nORDER BY total DESC;\n",
        "SELECT month, sum(price) AS total\nFROM sales\nWHERE price > 0\nGROUP BY month\nORDER BY total DESC",
    ),
    "html": (
        '<!DOCTYPE html>\n<html>\n  <head>\n    <title>Shop</title>\n  </head>\n  <body>\n    <ul class="items">\n'
        "      <li>One</li>\n      <li>Two</li>\n    </ul>\n  </body>\n</html>\n",
        "<li>One</li>\n      <li>Two</li>",
    ),
    "css": (
        "body {\n  margin: 0;\n  font-family: serif;\n}\n\n@media (max-width: 40em) {\n  .cart > li {\n"
        "    color: rgb(10, 20, 30);\n    padding: 1em 2em;\n  }\n}\n",
        "color: rgb(10, 20, 30);\n    padding: 1em 2em;",
    ),
    "json": (
        '{\n  "name": "shop",\n  "items": [\n    1,\n    2\n  ],\n  "owner": {\n'
        '    "name": "Ada",\n    "age": 36\n  }\n}\n',
        '"name": "Ada",\n    "age": 36',
    ),
    "yaml": (
        "name: shop\nitems:\n  - one\n  - two\nowner:\n  name: Ada\n  age: 36\n",
        "name: Ada\n  age: 36",
    ),
    "toml": (
        'name = "shop"\n\n[owner]\nname = "Ada"\nage = 36\n\n[items]\nlist = [1, 2, 3]\n',
        'name = "Ada"\nage = 36',
    ),
    "markdown": (
        "# Shop\n\nA cart sums its items.\n\n## Use\n\n- put an item in\n- ask for the total\n"
        "\n```python\ncart.total()\n```\n",
        "- put an item in\n- ask for the total",
    ),
}
