import js from '@eslint/js'
import prettier from 'eslint-config-prettier'
import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['dist', 'packages', 'coverage', 'node_modules', '.cache'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
      eqeqeq: 'error',
      'max-depth': ['error', 4],
      'no-console': 'error',
      'no-param-reassign': 'error',
      'prefer-const': 'error',
    },
  },
  {
    // docs/adr/0006: what it asks ICU for stays in memory.
    files: ['src/**/*.ts'],
    ignores: ['src/lib/timestamp.ts', 'src/dev-cluster/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        { selector: "MemberExpression[property.name='toISOString']", message: 'Use timestamp of lib/timestamp.ts.' },
      ],
    },
  },
  {
    // describe and it return nothing a test would await; a rejected promise still fails the test that it belongs to.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', name: ['describe', 'it'], package: 'mocha' }] },
      ],
    },
  },
  {
    files: [
      'scripts/**/*.ts',
      'test/bench/**/*.ts',
      'test/fuzz/run.ts',
      'test/mutation/run.ts',
      'test/soak/{run,parts}.ts',
    ],
    rules: { 'no-console': 'off' },
  },
  prettier,
)
