// Reads a Containerfile as editors do that know Docker's, and prints a line for each fault. It gets the file on its stdin.
import fs from 'node:fs'
import utils from 'dockerfile-utils'

const all = {}
for (const name of ['deprecatedMaintainer', 'directiveCasing', 'emptyContinuationLine', 'instructionCasing', 'instructionCmdMultiple',
  'instructionEntrypointMultiple', 'instructionHealthcheckMultiple', 'instructionJSONInSingleQuotes', 'instructionWorkdirRelative']) {
  all[name] = utils.ValidationSeverity.ERROR
}
for (const fault of utils.validate(fs.readFileSync(0, 'utf8'), all)) {
  console.log(`line ${fault.range.start.line + 1}: ${fault.message}`)
}
