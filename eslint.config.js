import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['node_modules/', 'config/', 'dist/', '.ci/'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js', 'manifests/azure-devops/task/run.js'] }
      }
    },
    rules: {
      // Azure's typings are full of `any`; the wrappers narrow them once, and the rules below keep the rest honest.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      eqeqeq: 'error'
    }
  },
  {
    files: ['**/*.test.ts', 'test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off'
    }
  },
  { files: ['eslint.config.js', 'manifests/**/*.js'], ...tseslint.configs.disableTypeChecked },
  // Azure's agents start CommonJS.
  { files: ['manifests/**/*.js'], rules: { '@typescript-eslint/no-require-imports': 'off' } }
)
