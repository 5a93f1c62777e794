// Copies the browser libraries that package.json pins into ../assets/vendor and builds the icon sprite.
// Run `npm ci && npm run vendor` after changing a version or the list of icons; the result is committed.
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const modules = join(here, 'node_modules')
const out = join(here, '..', 'assets', 'vendor')
mkdirSync(out, { recursive: true })

const files = {
  'htmx.org/dist/htmx.min.js': 'htmx.min.js',
  '@fontsource-variable/inter/files/inter-latin-opsz-normal.woff2': 'inter-latin.woff2',
  '@fontsource-variable/inter/files/inter-latin-ext-opsz-normal.woff2': 'inter-latin-ext.woff2',
  '@fontsource-variable/inter/files/inter-cyrillic-opsz-normal.woff2': 'inter-cyrillic.woff2',
}
for (const [from, to] of Object.entries(files)) copyFileSync(join(modules, from), join(out, to))

// Only the icons that pages use: one file, one request, strokes in `currentColor`.
const icons = `activity banknote check chevron-right chevrons-up-down circle-alert circle-check circle-dashed clock cloud-off copy
ellipsis keyboard list-checks lock log-out mail mail-check mail-warning menu pencil plus rotate-cw search settings shuffle
triangle-alert undo-2 user user-plus wallet x`.split(/\s+/)
const symbols = icons.map((name) => {
  const svg = readFileSync(join(modules, 'lucide-static/icons', `${name}.svg`), 'utf8')
  const body = svg.replace(/<!--[\s\S]*?-->/g, '').replace(/<svg[\s\S]*?>/, '').replace('</svg>', '')
  return `<symbol id="${name}" viewBox="0 0 24 24">${body.replace(/\s+/g, ' ').trim()}</symbol>`
})
writeFileSync(join(out, 'icons.svg'), `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join('\n')}</svg>\n`)

// The licences ask to travel with the files.
const licences = ['htmx.org', '@fontsource-variable/inter', 'lucide-static'].map((name) => {
  const { version } = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'))
  return `${name} ${version}\n\n${readFileSync(join(modules, name, 'LICENSE'), 'utf8').trim()}\n`
})
writeFileSync(join(out, 'LICENSES.txt'), licences.join('\n----\n\n'))

for (const name of [...Object.values(files), 'icons.svg', 'LICENSES.txt']) console.log(name.padEnd(24), statSync(join(out, name)).size)
