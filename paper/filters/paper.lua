-- Numbers sections, figures and tables, resolves every cross-reference, fits tables to the page
-- and links claims, in the same way for HTML, PDF (typst) and LaTeX. Runs before citeproc.
-- Knows nothing about what a claim means; the conventions are in src/valuegate/render.py.

local stringify = pandoc.utils.stringify
local target = FORMAT:match('^html') and 'html' or FORMAT
local labels = {} -- id -> { word = 'Figure', number = '2' }
local count = { Figure = 0, Table = 0 }
local levels = { 0, 0, 0 }
local appendix = false
local linked = {} -- claims that already have their anchor

-- What fits: small letters on a line at 9 pt, the space around a column in letters, and the
-- type (pt) of a table that fits, of one whose cells wrap, and the smallest before they do.
local LINE, GAP, TEXT, WRAPPED, SMALLEST = 104, 2, 9, 8, 7

local function fail(...)
  error(table.concat({ ... }), 0)
end

local function quoted(text)
  return '"' .. text:gsub('[\\"]', '\\%0') .. '"'
end

local function register(id, word, number)
  if id == '' then return end
  if labels[id] then fail('the id ', id, ' is used twice') end
  labels[id] = { word = word, number = number }
end

-- Sections ----------------------------------------------------------------------------------

local function section_number(header)
  if header.level > 3 or header.classes:includes('unnumbered') then return nil end
  local starts = header.level == 1 and header.classes:includes('appendix') and not appendix
  if starts then
    appendix, levels[1] = true, 0
  end
  levels[header.level] = levels[header.level] + 1
  for deeper = header.level + 1, 3 do levels[deeper] = 0 end
  local first = appendix and string.char(64 + levels[1]) or tostring(levels[1])
  local number = table.concat({ first, table.unpack(levels, 2, header.level) }, '.')
  return number, starts
end

local function section(header)
  local number, starts = section_number(header)
  register(header.identifier, appendix and 'Appendix' or 'Section', number)
  if target == 'html' then header.level = header.level + 1 end
  if target == 'latex' then
    return starts and { pandoc.RawBlock('latex', '\\appendix'), header } or header
  end
  if number then
    header.content:insert(1, pandoc.Space())
    header.content:insert(1, pandoc.Span(number, { class = 'number' }))
  end
  return header
end

-- Figures and tables ------------------------------------------------------------------------

local function number_caption(element, word)
  count[word] = count[word] + 1
  local number = tostring(count[word])
  register(element.identifier, word, number)
  if target ~= 'latex' then
    local first = element.caption.long[1].content
    first:insert(1, pandoc.Space())
    first:insert(1, pandoc.Strong(word .. '\u{a0}' .. number .. '.'))
  end
  return word .. ' ' .. number
end

local function image(img, alt)
  if target == 'latex' then img.src = img.src:gsub('%.svg$', '.pdf') end
  local file = io.open(img.src, 'rb')
  if not file then fail('the figure ', img.src, ' does not exist') end
  file:close()
  if not img.attributes.alt then img.attributes.alt = alt end
  if target ~= 'typst' then return img end
  -- pandoc's typst writer drops the alternative text.
  local width = img.attributes.width and ', width: ' .. img.attributes.width or ''
  local words = quoted(img.attributes.alt)
  return pandoc.RawInline('typst', '#image(' .. quoted(img.src) .. ', alt: ' .. words .. width .. ')')
end

local function figure(fig)
  if #fig.caption.long == 0 then return nil end
  local text = stringify(fig.caption.long)
  local name = number_caption(fig, 'Figure')
  local alt = name .. ': ' .. (text:match('^(.-[.?!])%s') or text)
  return fig:walk { Image = function(img) return image(img, alt) end }
end

local function breadth(text)
  -- Returns the room that text takes, in small letters; capitals, m and w take more.
  local _, wide = text:gsub('[%umw%%@]', '')
  local _, widest = text:gsub('[MW@]', '')
  return utf8.len(text) + 0.5 * wide + 0.5 * widest
end

local function measure(tbl)
  -- Returns, for each column, the breadth when nothing wraps, when only the head wraps, and when
  -- every cell wraps at its words.
  local natural, whole, least = {}, {}, {}
  local function row_widths(row, is_head)
    for column, cell in ipairs(row.cells) do
      local text, longest = stringify(cell.contents), 1
      for word in text:gmatch('[^%s]+') do longest = math.max(longest, breadth(word)) end
      local all = math.max(breadth(text), 1)
      natural[column] = math.max(natural[column] or 1, all)
      whole[column] = math.max(whole[column] or 1, is_head and longest or all)
      least[column] = math.max(least[column] or 1, longest)
    end
  end
  for _, row in ipairs(tbl.head.rows) do row_widths(row, true) end
  for _, body in ipairs(tbl.bodies) do
    for _, row in ipairs(body.body) do row_widths(row, false) end
  end
  return natural, whole, least
end

local function sum(list)
  local total = 0
  for _, value in ipairs(list) do total = total + value end
  return total
end

local function spread(from, to, room)
  -- Returns each column's share of the line: at least `from`, the rest in proportion to `to`.
  local share = math.max(room - sum(from), 0) / math.max(sum(to) - sum(from), 1)
  local widths = {}
  for column = 1, #from do
    widths[column] = from[column] + (to[column] - from[column]) * share + GAP
  end
  local total = sum(widths)
  for column = 1, #widths do widths[column] = math.floor(widths[column] / total * 1000) / 1000 end
  return widths
end

local function fit(tbl)
  -- Returns the type size and the width of each column (nil: as wide as the text).
  local natural, whole, least = measure(tbl)
  local room = LINE - GAP * #natural
  local size = TEXT * math.min(1, room / sum(natural))
  if size >= WRAPPED then return size, nil end
  size = TEXT * math.min(1, room / sum(whole))
  if size >= SMALLEST then return size, spread(whole, natural, room * TEXT / size) end
  room = room * TEXT / WRAPPED
  size = WRAPPED * math.min(1, room / sum(least))
  return size, spread(least, natural, room)
end

local function keep_numbers_whole(tbl)
  for _, body in ipairs(tbl.bodies) do
    for _, row in ipairs(body.body) do
      for _, cell in ipairs(row.cells) do
        local text = stringify(cell.contents)
        if utf8.len(text) <= 24 and text:match('^[%s%[(+<>~-]*[−≤≥]*[%d.]') then
          cell.contents = cell.contents:walk { Space = function() return pandoc.Str('\u{a0}') end }
        end
      end
    end
  end
end

local function set_columns(tbl, widths)
  for column, spec in ipairs(tbl.colspecs) do
    local side = spec[1] == 'AlignDefault' and 'AlignLeft' or spec[1]
    tbl.colspecs[column] = { side, widths and widths[column] or nil }
  end
end

local function tabular(tbl)
  keep_numbers_whole(tbl)
  local name = #tbl.caption.long > 0 and number_caption(tbl, 'Table') or nil
  if target == 'html' then
    set_columns(tbl, nil)
    -- A list of pairs, because Lua's tables come back in no fixed order.
    local scroll = pandoc.Attr('', { 'scroll' },
      { { 'tabindex', '0' }, { 'role', 'region' }, { 'aria-label', name or 'Table' } })
    local caption, id = tbl.caption, tbl.identifier
    tbl.caption, tbl.identifier = pandoc.Caption {}, ''
    local box = pandoc.Div({ tbl }, scroll)
    return name and pandoc.Figure({ box }, caption, { id = id, class = 'table' }) or box
  end
  local size, widths = fit(tbl)
  set_columns(tbl, widths)
  if target == 'typst' then
    tbl.attributes['typst:text:size'] = string.format('%.2fpt', size)
    return tbl
  end
  local open = size > 8.5 and '\\begingroup\\small'
    or string.format('\\begingroup\\fontsize{%.2f}{%.2f}\\selectfont', size, size * 1.2)
  open = open .. '\\setlength{\\tabcolsep}{0.4em}'
  return { pandoc.RawBlock('latex', open), tbl, pandoc.RawBlock('latex', '\\endgroup') }
end

-- References and claims ---------------------------------------------------------------------

local function is_reference(id)
  return id:match('^fig:') or id:match('^tbl:') or id:match('^sec:')
end

local function reference(citation)
  local id = citation.id
  local label = labels[id]
  if not label then
    local known = {}
    for name in pairs(labels) do
      if is_reference(name) then table.insert(known, '@' .. name) end
    end
    table.sort(known)
    fail('unknown reference @', id, '; the paper defines: ', table.concat(known, ', '))
  end
  if not label.number then fail('@', id, ' refers to a section without a number') end
  local word = citation.mode == 'SuppressAuthor' and '' or label.word .. '\u{a0}'
  if target == 'latex' then
    word = word:gsub('\u{a0}', '~')
    return pandoc.RawInline('latex', '\\hyperref[' .. id .. ']{' .. word .. '\\ref*{' .. id .. '}}')
  end
  return pandoc.Link(word .. label.number, '#' .. id, '', { class = 'ref' })
end

local function cite(element)
  local ours = 0
  for _, citation in ipairs(element.citations) do
    if is_reference(citation.id) then ours = ours + 1 end
  end
  if ours == 0 then return nil end
  if ours < #element.citations then
    fail('mixes references and citations in one bracket: ', stringify(element))
  end
  local out = pandoc.Inlines {}
  for i, citation in ipairs(element.citations) do
    if i > 1 then out:extend { pandoc.Str(','), pandoc.Space() } end
    if #citation.prefix > 0 then
      out:extend(citation.prefix)
      out:insert(pandoc.Space())
    end
    out:insert(reference(citation))
    out:extend(citation.suffix)
  end
  return out
end

local function claim(span)
  local id = span.attributes['data-claim'] or span.attributes.claim
  if not id then return nil end
  if target ~= 'html' then return span.content end
  local anchor = linked[id] and '' or 'claim-' .. id
  linked[id] = true
  return pandoc.Link(span.content, 'audit.html#' .. id, '', { id = anchor, class = 'claim' })
end

-- The title page ----------------------------------------------------------------------------

local RUN_ORDER = { 'profile', 'models', 'items', 'tokens', 'device' }

local function run_line(run)
  -- Returns "profile: default · models: ..." in a fixed order; unknown keys follow by name.
  local keys, seen, parts = pandoc.List(RUN_ORDER), {}, pandoc.Inlines {}
  for _, key in ipairs(keys) do seen[key] = true end
  local rest = pandoc.List {}
  for key in pairs(run) do
    if not seen[key] then rest:insert(key) end
  end
  rest:sort()
  keys:extend(rest)
  for _, key in ipairs(keys) do
    if run[key] then
      if #parts > 0 then parts:extend { pandoc.Space(), pandoc.Str('·'), pandoc.Space() } end
      local value = pandoc.utils.type(run[key]) == 'Inlines' and run[key]
        or pandoc.Inlines(stringify(run[key]))
      if pandoc.utils.type(run[key]) == 'List' then
        local names = run[key]:map(stringify)
        value = pandoc.Inlines(table.concat(names, ', '))
      end
      parts:extend { pandoc.Str(key), pandoc.Space() }
      parts:extend(value)
    end
  end
  return pandoc.MetaInlines(parts)
end

local function plain(list)
  -- Returns the names as text for metadata: quoted strings in typst, escaped text elsewhere.
  return list:map(function(item)
    local name = stringify(item.name or item)
    if target ~= 'typst' then return pandoc.MetaInlines { pandoc.Str(name) } end
    return pandoc.MetaInlines { pandoc.RawInline('typst', quoted(name)) }
  end)
end

local function as_list(value)
  return pandoc.utils.type(value) == 'List' and value or pandoc.List { value }
end

local function title_page(meta)
  meta.lang = meta.lang or 'en'
  meta['lang-short'] = stringify(meta.lang):sub(1, 2)
  if meta.run then meta['run-line'] = run_line(meta.run) end
  meta.author = as_list(meta.author)
  meta.keywords = meta.keywords and as_list(meta.keywords)
  meta['author-names'] = plain(meta.author)
  meta['keyword-names'] = meta.keywords and plain(meta.keywords)
  return meta
end

local function contents(blocks)
  local list = pandoc.structure.table_of_contents(blocks, { toc_depth = 3 })
  return pandoc.Blocks { list }:walk {
    Link = function(link)
      link.identifier = ''
      return link
    end,
  }
end

local function check_citations(doc)
  local known = {}
  for _, entry in ipairs(pandoc.utils.references(doc)) do known[entry.id] = true end
  doc:walk { Cite = function(element)
    for _, citation in ipairs(element.citations) do
      if not known[citation.id] then fail('citation ', citation.id, ' not found') end
    end
  end }
end

function Pandoc(doc)
  doc.meta = title_page(doc.meta)
  doc.blocks = doc.blocks:walk { Header = section }
  doc.blocks = doc.blocks:walk { Figure = figure, Table = tabular }
  local inside = { traverse = 'topdown', Cite = cite, Span = claim }
  local abstract = doc.meta.abstract
  if abstract then
    local short = pandoc.utils.type(abstract) == 'Inlines'
    local blocks = pandoc.Blocks(short and { pandoc.Para(abstract) } or abstract)
    doc.meta.abstract = pandoc.MetaBlocks(blocks:walk(inside))
  end
  doc.blocks = doc.blocks:walk(inside)
  if target == 'latex' then
    check_citations(doc)
    return doc
  end
  local cited = false
  doc:walk { Cite = function() cited = true end }
  if cited then
    local heading = pandoc.Header(target == 'html' and 2 or 1, 'References',
      { id = 'references', class = 'unnumbered' })
    doc.blocks:extend { heading, pandoc.Div({}, { id = 'refs' }) }
  end
  if target == 'html' then doc.meta.contents = pandoc.MetaBlocks(contents(doc.blocks)) end
  return doc
end
